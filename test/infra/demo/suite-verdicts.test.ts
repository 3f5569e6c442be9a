// What answers come to by rules: the parts of an answer are those it was made of, and wins are counted as they are worked out by hand.
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { countToThePoint, rateByRule, rateOf } from "#infra/demo/loop/suite-verdicts.ts"
import { makeComparisons } from "#infra/demo/recipe/comparisons.ts"
import { SeededRandom } from "#infra/demo/recipe/random.ts"
import { partsIn, worthIn } from "#infra/demo/recipe/recognise-parts.ts"
import type { CheckedPrompt } from "#shared/evaluation/judge/work-settings.ts"

const prompt = (setting: string, mention: string): CheckedPrompt => {
  return { id: mention, setting, lang: "en", instruction: "…", mentions: [[mention]] }
}

test("the parts that are found in an answer are those that it was made of", () => {
  const comparisons = makeComparisons(new SeededRandom(7), () => 1)
  expect(comparisons.length).toBeGreaterThan(600)
  for (const { answers } of comparisons)
    for (const { text, parts } of answers) expect([text, [...partsIn(text)].sort()]).toEqual([text, [...parts].sort()])
})

test("a part counts once, in either language, and not in other words", () => {
  const polite = "Thank you very much for your patience."
  expect(worthIn("customer-support", polite)).toBe(2)
  expect(worthIn("customer-support", `${polite} ${polite}`)).toBe(2)
  expect(worthIn("manufacturing", `${polite} 安全第一、まず停止して電源を施錠します。`)).toBe(1)
  expect(worthIn("customer-support", "Thanks for waiting.")).toBe(0)
  expect([...partsIn("Keep to 10 % ± . Owner: .")]).toEqual([])
  expect(worthIn("poetry", polite)).toBe(0)
})

test("to the point comes first, then what the rule prefers; alike in both is a tie", () => {
  const prompts = [
    prompt("customer-support", "toaster"),
    prompt("customer-support", "blender"),
    prompt("manufacturing", "press"),
    prompt("manufacturing", "crane"),
  ]
  const polite = "Thank you very much for your patience."
  const answers = [
    `The toaster is here. ${polite}`,
    `${polite} ${polite}`,
    `The press. ${polite}`,
    "The crane is checked.",
  ]
  const others = ["The toaster is here.", "The blender.", "The press.", "The crane works."]
  expect([countToThePoint(prompts, answers), countToThePoint(prompts, others)]).toEqual([3, 4])
  expect(rateByRule(prompts, answers, others)).toMatchObject({ wins: 1, losses: 2, ties: 1, rate: 0.375 })
})

test("exchanged, a rate and its interval are what is left of 1, and the interval holds the rate", () => {
  const counts = fc.tuple(fc.nat(90), fc.nat(90), fc.nat(90)).filter((all) => all.some((count) => count > 0))
  fc.assert(
    fc.property(counts, ([wins, losses, ties]) => {
      const { rate, low, high } = rateOf({ wins, losses, ties })
      const other = rateOf({ wins: losses, losses: wins, ties })
      expect(rate).toBeCloseTo(1 - other.rate, 12)
      expect(low).toBeCloseTo(1 - other.high, 12)
      expect(low <= rate + 1e-12 && rate <= high + 1e-12).toBe(true)
    }),
  )
})
