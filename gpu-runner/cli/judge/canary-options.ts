// The canaries that a judge is asked about before anything else: ours, and those of a file.
import { CANARIES, type Canary } from "#shared/evaluation/judge/canaries.ts"
import { readCanaries } from "#shared/evaluation/judge/canary-file.ts"
import { type OptionValues, UsageError } from "../command.ts"
import { flag, text } from "../options.ts"
import { readNamed } from "./suite.ts"

export const canaryOptions = {
  canaries: text("FILE", "further pairs whose better answer is known, a JSON line each, beside our own"),
  "skip-canaries": flag("do not ask first about pairs whose better answer is known"),
} as const

export type CanaryValues = OptionValues<typeof canaryOptions>

/** Those of the file are of the suite's own domain. Throws UsageError, UnusableJudgements. */
export function ownCanaries({ canaries }: CanaryValues): readonly Canary[] {
  return canaries === undefined ? [] : readNamed("canaries", canaries, readCanaries)
}

/** None where they are to be skipped. Throws as ownCanaries. */
export function canariesOf(values: CanaryValues): readonly Canary[] {
  if (!values["skip-canaries"]) return [...CANARIES, ...ownCanaries(values)]
  if (values.canaries === undefined) return []
  throw new UsageError("--canaries names some to be asked about, and --skip-canaries asks about none; give one")
}
