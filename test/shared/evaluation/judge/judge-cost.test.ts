import { expect, test } from "vitest"
import { askedCanaries, CANARIES, shareOfGood } from "#shared/evaluation/judge/canaries.ts"
import { addTokens, costOf, mostTokens, usualTokens } from "#shared/evaluation/judge/judge-cost.ts"
import { judgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { readPromptTemplate } from "#shared/evaluation/judge/prompt-template.ts"

const template = readPromptTemplate(new TextEncoder().encode("{instruction}{output_1}{output_2}"))

test("a question takes at most a token a byte, and some around them; usually a quarter of that", async () => {
  const question = await judgeQuestion("j", template, { instruction: "余白", baseline: "abc", model: "🌊" })
  expect(mostTokens(question)).toEqual({ prompt: 6 + 3 + 4 + 16 + 64, completion: 1 })
  expect(usualTokens([question, question])).toEqual({ prompt: 2 * Math.round(93 / 4), completion: 2 })
})

test("tokens add up, and cost by the million", () => {
  expect(addTokens({ prompt: 5, completion: 1 }, { prompt: 2, completion: 1 })).toEqual({ prompt: 7, completion: 2 })
  expect(addTokens({ prompt: 5, completion: 1 }, { prompt: 2, completion: 1 }, -1)).toEqual({
    prompt: 3,
    completion: 0,
  })
  expect(costOf({ prompt: 500_000, completion: 250_000 }, { prompt: 2, completion: 8 })).toBe(3)
})

test("a canary's good answer is preferred by the mean of both orders; no verdict is a draw, no answer is none", async () => {
  const [canary] = await askedCanaries("j", template)
  const [asModel, asBaseline] = canary!.questions
  const share = (goodLogOdds: number | undefined, other: number | undefined) =>
    shareOfGood(canary!, (key) => {
      const isAsModel = key === asModel.key
      const { isSwapped } = isAsModel ? asModel : asBaseline
      const logOdds = isAsModel ? goodLogOdds : other
      if (logOdds === undefined) return undefined
      // The good answer is shown first where it is the model's and swapped, or the baseline's and not.
      const isGoodFirst = isAsModel === isSwapped
      const [good, bad] = [-Math.log1p(Math.exp(-logOdds)), -Math.log1p(Math.exp(logOdds))]
      const verdict = Number.isNaN(logOdds)
        ? { first: undefined, second: undefined }
        : { first: isGoodFirst ? good : bad, second: isGoodFirst ? bad : good }
      return { model: "j", text: "", verdict, finishReason: "length", tokens: { prompt: 1, cached: 0, completion: 1 } }
    })
  expect(share(Math.log(4), Math.log(4))).toBeCloseTo(0.8, 12)
  expect(share(Math.log(9), -Math.log(9))).toBeCloseTo(0.5, 12)
  expect(share(-Math.log(3), -Math.log(3))).toBeCloseTo(0.25, 12)
  expect(share(Number.NaN, Math.log(4))).toBeCloseTo(0.65, 12)
  expect(share(undefined, 1)).toBeUndefined()
})

test("canaries are in two languages, and one only talks to the judge", () => {
  expect(CANARIES.filter(({ isProbe }) => isProbe)).toHaveLength(1)
  expect(CANARIES.some(({ instruction }) => /\p{Script=Hiragana}/u.test(instruction))).toBe(true)
  // The judge that stands in for one likes what is longer, and must be right.
  for (const { good, bad } of CANARIES) expect(good.length).toBeGreaterThan(bad.length)
})
