// A small evaluation set out of nothing but a seed: answers in words and pictures, a judge who likes long ones, and the gamed baselines.

import { codePointLength } from "#shared/evaluation/alpaca-eval/annotation.ts"
import type { AnnotationFile } from "#shared/evaluation/alpaca-eval/annotation-file.ts"
import type { GamedRow } from "#shared/evaluation/alpaca-eval/length-rows.ts"
import type { ReferenceSet } from "#test/reference/alpaca-eval.ts"
import { seededRandom } from "#test/reference/random-decoder.ts"

export interface SyntheticSet {
  readonly baselineAnswers: readonly string[]
  readonly modelAnswers: readonly string[]
  readonly preferences: readonly number[]
  readonly gamed: readonly GamedRow[]
  readonly difficulties: readonly number[]
}

const WORDS = ["a", "of", "words", "余白", "preferences", "margin", "é", "internationalisation"]
const PICTURES = ["🌊🌊🌊🌊", "🏔️🏔️", "🎏"]

/** `skill`: the model's log-odds at equal length. */
export function syntheticSet(seed: number, instructions = 60, skill = -0.9): SyntheticSet {
  const random = seededRandom(seed)
  const pick = (texts: readonly string[]) => texts[Math.floor(random() * texts.length)]!
  const answer = (words: number, pictures: number) =>
    Array.from({ length: Math.ceil(words) }, () => pick(random() < pictures ? PICTURES : WORDS)).join(" ")
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const share = (logOdds: number) => 1 / (1 + Math.exp(-logOdds))
  const difficulties = Array.from({ length: instructions }, (_, index) => (index === 0 ? 0 : 1.5 * normal() - 0.4))
  // Few answers have pictures, and then many: what an average hides, the deviation of the differences shows.
  const baselineAnswers = difficulties.map(() => answer(60 + 140 * random(), random() < 0.3 ? 0.8 : 0))
  const modelAnswers = difficulties.map(() => answer(10 + 100 * random() ** 2, random() < 0.2 ? 0.5 : 0))
  const preferences = difficulties.map((difficulty, index) => {
    const longer = (baselineAnswers[index]!.length - modelAnswers[index]!.length) / 500
    return 1 + share(skill + 1.2 * difficulty - 1.8 * Math.tanh(longer) + 1.5 * normal())
  })
  const gamed = (["verbose", "concise"] as const).flatMap((gamedModel) =>
    difficulties.map((difficulty, instruction) => {
      const modelLength = Math.round(
        codePointLength(baselineAnswers[instruction]!) *
          (gamedModel === "verbose" ? 1.2 + random() : 0.3 + random() / 2),
      )
      return {
        gamedModel,
        instruction,
        baselineLength: codePointLength(baselineAnswers[instruction]!),
        modelLength,
        preference: share((gamedModel === "verbose" ? 0.5 : -1.6) + 0.3 * difficulty + normal()),
      }
    }),
  )
  return { baselineAnswers, modelAnswers, preferences, gamed, difficulties }
}

/** As rows of numbers; `lengthOf` measures the texts. */
export function annotationsOf(set: SyntheticSet, lengthOf: (text: string) => number = codePointLength) {
  return set.preferences.map((preference, instruction) => ({
    instruction,
    preference,
    baselineLength: lengthOf(set.baselineAnswers[instruction]!),
    modelLength: lengthOf(set.modelAnswers[instruction]!),
  }))
}

export function fileOf(set: SyntheticSet): AnnotationFile {
  return { model: "synthetic", annotations: annotationsOf(set), namesInstructions: true }
}

/** For the slow twin. */
export function referenceSetOf(set: SyntheticSet, lengthOf?: (text: string) => number): ReferenceSet {
  return {
    pairs: annotationsOf(set, lengthOf),
    gamed: set.gamed.map((row) => ({ ...row, preference: row.preference + 1 })),
    difficulties: set.difficulties,
  }
}
