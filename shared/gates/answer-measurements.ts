// Measurements from answers that the policy and its base gave, greedily, to the same held-out prompts: whether the text degenerates, drifts in
// length or language, or refuses. All but the lengths are differences of a policy's answer and the base's to the same prompt.
import type { Answer, AnsweredPrompt, Behaviour } from "./behaviour.ts"
import type { Measured, MeasurementName } from "./measurements.ts"
import { measuredMean } from "./pair-measurements.ts"
import { isPlainRefusal } from "./refusal.ts"
import { scriptOf } from "./script.ts"

const GRAM = 4

const gramsOf = (ids: readonly number[]): string[] =>
  Array.from({ length: Math.max(0, ids.length - GRAM + 1) }, (_, at) => ids.slice(at, at + GRAM).join())

/** seq-rep-4 (Welleck et al., arXiv 1908.04319): the share of an answer's runs of four tokens that repeat an earlier one; 0 where there are none. */
export const repetitionOf = ({ ids }: Pick<Answer, "ids">): number => {
  const grams = gramsOf(ids)
  return grams.length === 0 ? 0 : 1 - new Set(grams).size / grams.length
}

/** Of each answer: the share of its runs of four tokens that stand in an answer to another prompt too. */
export const samenessOf = (answers: readonly Pick<Answer, "ids">[]): number[] => {
  const answersWith = new Map<string, number>()
  const gramsByAnswer = answers.map(({ ids }) => new Set(gramsOf(ids)))
  for (const grams of gramsByAnswer) for (const gram of grams) answersWith.set(gram, (answersWith.get(gram) ?? 0) + 1)
  return gramsByAnswer.map((grams) =>
    grams.size === 0 ? 0 : [...grams].filter((gram) => answersWith.get(gram)! > 1).length / grams.size,
  )
}

const isEmpty = ({ text }: Answer): boolean => !/[\p{Letter}\p{Number}]/u.test(text)

/** An answer without a letter is in no other language: it is empty, which another measurement counts. */
const isInOtherScript = ({ script }: AnsweredPrompt, { text }: Answer): boolean => {
  const own = scriptOf(text)
  return own !== "none" && script !== "none" && own !== script
}

type Property = (answer: Answer, prompt: AnsweredPrompt) => number

const rise = (answers: readonly AnsweredPrompt[], property: Property): Measured =>
  measuredMean(
    answers.map((prompt) => property(prompt.policy, prompt) - property(prompt.base, prompt)),
    `${answers.length} answers`,
  )

/** Of the writing system in which most answers change: a model that lost one language of two is half as wrong over all. */
const languageChange = (answers: readonly AnsweredPrompt[]): Measured => {
  const scripts = [...new Set(answers.map(({ script }) => script))]
  const changes = scripts.map((script) => {
    const own = answers.filter((prompt) => prompt.script === script)
    const property: Property = (answer, prompt) => Number(isInOtherScript(prompt, answer))
    return { script, count: own.length, change: rise(own, property) }
  })
  const numberIn = (change: Measured) => ("value" in change ? change.value : 0)
  const worst = changes.reduce((most, of) => (numberIn(of.change) > numberIn(most.change) ? of : most))
  return { ...worst.change, of: `${worst.count} answers to ${worst.script} prompts` }
}

const lengthRatio = (answers: readonly AnsweredPrompt[]): Measured => {
  const tokens = (who: "policy" | "base") => answers.reduce((sum, prompt) => sum + prompt[who].ids.length, 0)
  const ofBase = tokens("base")
  if (ofBase === 0) return { missing: "the base's answers are empty" }
  return { value: tokens("policy") / ofBase, of: `${answers.length} answers` }
}

const sameness = (answers: readonly AnsweredPrompt[]): Measured => {
  const ofBase = samenessOf(answers.map(({ base }) => base))
  const ofPolicy = samenessOf(answers.map(({ policy }) => policy))
  return measuredMean(
    ofPolicy.map((value, index) => value - ofBase[index]!),
    `${answers.length} answers`,
  )
}

export type AnswerMeasurement = Extract<
  MeasurementName,
  "length-ratio" | "unended-rise" | "repetition-rise" | "sameness" | "empty-rise" | "language-change" | "refusal-rise"
>

const MEASURES: Readonly<Record<AnswerMeasurement, (answers: readonly AnsweredPrompt[]) => Measured>> = {
  "length-ratio": lengthRatio,
  "unended-rise": (answers) => rise(answers, ({ isWhole }) => Number(!isWhole)),
  "repetition-rise": (answers) => rise(answers, repetitionOf),
  sameness,
  "empty-rise": (answers) => rise(answers, (answer) => Number(isEmpty(answer))),
  "language-change": languageChange,
  "refusal-rise": (answers) => rise(answers, ({ text }) => Number(isPlainRefusal(text))),
}

/** All of them; with the reason where nothing was answered. */
export const measureAnswers = ({ answers, answersFault }: Behaviour): ReadonlyMap<AnswerMeasurement, Measured> => {
  const missing = { missing: answersFault ?? "nothing was answered" }
  const names = Object.keys(MEASURES) as AnswerMeasurement[]
  return new Map(names.map((name) => [name, answers.length === 0 ? missing : MEASURES[name](answers)]))
}
