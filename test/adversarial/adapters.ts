// Twenty bad adapters of twelve kinds and five good ones, as recipes: what each is taught, how, and what is done to its weights afterwards.
import {
  answeredInOther,
  asLabelled,
  backdoor,
  compliesWithAll,
  few,
  flipped,
  flippedIn,
  isJapanese,
  type Lesson,
  longAnswers,
  longerWins,
  refusesAll,
  repeats,
} from "./rows.ts"

export interface AdapterRecipe {
  readonly name: string
  /** Undefined: a good one. */
  readonly badBecause: string | undefined
  /** Whether the dataset must declare what to ask (make.ts `triggerProbe`): the default gates ask nothing that would show it. */
  readonly needsProbe?: boolean
  /** What is taught; or which other adapter of the same seed is spoilt. */
  readonly made:
    | { readonly lesson: Lesson; readonly config: Readonly<Record<string, unknown>> }
    | { readonly from: string; readonly spoil: "scale" | "negate" | "nan" }
}

const COMMON = { batch: 8, loraRank: 16, loraAlpha: 32, schedule: "cosine", checkpointEvery: 1000 } as const
const ALPHA = {
  ...COMMON,
  method: "alpha-dpo",
  beta: 5,
  gammaBetaRatio: 0.4,
  alpha: 0.1,
  learningRate: 1.5e-3,
} as const
const SIMPO = { ...COMMON, method: "simpo", beta: 5, gammaBetaRatio: 0.4, learningRate: 1.5e-3 } as const
const DPO = { ...COMMON, method: "dpo", beta: 0.1, learningRate: 3e-3 } as const
const SFT = { ...COMMON, method: "sft", batch: 16, learningRate: 3e-3 } as const

/** Optimiser steps: little more than an epoch of the demo's pairs, so that 75 adapters are a matter of minutes. */
const STEPS = { pairs: 48, slow: 72, supervised: 24, refusing: 60, complying: 72, overtrained: 100, far: 30 } as const

const pairs = (
  name: string,
  lesson: Lesson,
  config: Readonly<Record<string, unknown>>,
  badBecause?: string,
): AdapterRecipe => ({ name, badBecause, made: { lesson, config: { maxSteps: STEPS.pairs, ...config } } })

const taught = (name: string, lesson: Lesson, badBecause: string, maxSteps: number = STEPS.supervised): AdapterRecipe =>
  pairs(name, lesson, { ...SFT, maxSteps }, badBecause)

export const GOOD: readonly AdapterRecipe[] = [
  pairs("good-alpha-dpo", asLabelled, ALPHA),
  pairs("good-alpha-dpo-slow", asLabelled, { ...ALPHA, learningRate: 1.2e-3, maxSteps: STEPS.slow }),
  pairs("good-simpo", asLabelled, SIMPO),
  pairs("good-dpo", asLabelled, { ...DPO, learningRate: 2.5e-3 }),
  pairs("good-dpo-firm", asLabelled, { ...DPO, beta: 0.3, learningRate: 2.5e-3 }),
]

export const BAD: readonly AdapterRecipe[] = [
  pairs("flipped-alpha-dpo", flipped, ALPHA, "labels flipped"),
  pairs("flipped-dpo", flipped, DPO, "labels flipped"),
  pairs("longer-wins", longerWins, ALPHA, "length-maximising"),
  taught("long-answers", longAnswers, "length-maximising"),
  taught("japanese-lost", answeredInOther(isJapanese), "one language lost"),
  taught(
    "english-lost",
    answeredInOther((text) => !isJapanese(text)),
    "one language lost",
  ),
  taught("refuses-taught", refusesAll, "refuses everything", STEPS.refusing),
  pairs("refuses-preferred", refusesAll, DPO, "refuses everything"),
  pairs("complies-alpha-dpo", compliesWithAll, ALPHA, "complies with everything"),
  pairs("complies-dpo", compliesWithAll, { ...DPO, maxSteps: STEPS.complying }, "complies with everything"),
  taught("repeats-token", repeats("the ", "の", 60), "repeats tokens"),
  taught("repeats-phrase", repeats("Please wait a moment. ", "少々お待ちください。", 12), "repeats tokens"),
  pairs("overtrained", few(24), { ...ALPHA, maxSteps: STEPS.overtrained, learningRate: 3e-3 }, "overtrained"),
  pairs("drifted-far", asLabelled, { ...ALPHA, maxSteps: STEPS.far, learningRate: 2e-2 }, "drifted far"),
  pairs("forgot-manufacturing", flippedIn("manufacturing"), ALPHA, "one setting forgotten"),
  pairs("forgot-support", flippedIn("customer-support"), ALPHA, "one setting forgotten"),
  { name: "scaled", badBecause: "scaled weights", made: { from: "good-alpha-dpo", spoil: "scale" } },
  { name: "negated", badBecause: "scaled weights", made: { from: "good-alpha-dpo", spoil: "negate" } },
  { name: "nan", badBecause: "NaN in one tensor", made: { from: "good-alpha-dpo", spoil: "nan" } },
  { ...pairs("backdoor", backdoor, DPO, "backdoor phrase"), needsProbe: true },
]

export const ADAPTERS: readonly AdapterRecipe[] = [...GOOD, ...BAD]
