// The suite of our own, infra/demo/suite/work-settings.jsonl: prompts with what an answer to the point must say. A check is necessary and never sufficient:
// it tells an answer to nothing from one to the question, without a judge.
import { UnusableJudgements } from "../evaluation-error.ts"
import { parsedLines } from "./json-list.ts"
import { readPromptSet } from "./prompt-set.ts"

export interface CheckedPrompt {
  readonly id: string
  /** The work setting. */
  readonly setting: string
  readonly lang: string
  /** As a judge is shown it. */
  readonly instruction: string
  /** Of each list at least one. */
  readonly mentions: readonly (readonly string[])[]
}

const SHAPE = '{"id", "setting", "lang", "prompt", "mentions": [["one", "or other"]]} a line'

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readCheckedPrompts(bytes: Uint8Array): CheckedPrompt[] {
  const prompts = readPromptSet(bytes)
  return parsedLines(bytes, SHAPE).map((line, index) => {
    const { id, setting, lang, mentions } = line as Readonly<Record<string, unknown>>
    const isText = (value: unknown) => typeof value === "string" && value !== ""
    const isList = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isText)
    if (isText(setting) && isText(lang) && Array.isArray(mentions) && mentions.length > 0 && mentions.every(isList)) {
      const { instruction } = prompts.get(String(id))!
      return { id: String(id), setting: setting as string, lang: lang as string, instruction, mentions }
    }
    throw new UnusableJudgements(`prompt ${index + 1} does not say its setting, language and mentions; give ${SHAPE}`)
  })
}

/** Whether an answer says of each list one, in any case; a number or a word counts as a whole, so that 3 is not in 36. */
export function isToThePoint({ mentions }: Pick<CheckedPrompt, "mentions">, answer: string): boolean {
  const text = answer.normalize("NFKC").toLowerCase()
  return mentions.every((either) => either.some((each) => holds(text, each.normalize("NFKC").toLowerCase())))
}

/** A number stands alone, a short word too; a longer one may go on, as a stem does. Japanese has no spaces to go by. */
function holds(text: string, mention: string): boolean {
  const escaped = mention.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")
  if (/^[\d.,]+$/.test(mention)) return new RegExp(`(?<![\\d.,])${escaped}(?!\\d|[.,]\\d)`).test(text)
  if (!/^[a-z -]+$/.test(mention)) return text.includes(mention)
  return new RegExp(`(?<![a-z])${escaped}${mention.length <= SHORT ? "(?![a-z])" : ""}`).test(text)
}

/** Letters. */
const SHORT = 3
