// Where a judge's key is told: never on a command line, never in a dataset.
import { UsageError } from "../command.ts"

export const KEY_VARIABLE = "YOHAKU_JUDGE_KEY"

/** The key as it is sent; undefined where there is none. Throws UsageError, which does not repeat it. */
export function judgeKey({ [KEY_VARIABLE]: written = "" }: NodeJS.ProcessEnv = process.env): string | undefined {
  const key = written.trim()
  if (key === "" || /^[\x21-\x7e]+$/.test(key)) return key || undefined
  throw new UsageError(
    `${KEY_VARIABLE} holds no key: put letters, digits or signs there, without spaces or line breaks`,
  )
}
