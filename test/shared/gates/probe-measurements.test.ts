// Probes: what a policy and its base say of fixed pairs of texts, as changes of margins.
import { expect, it } from "vitest"
import { probedPairs } from "#shared/gates/behaviour.ts"
import { measureProbes } from "#shared/gates/probe-measurements.ts"
import { BUILT_IN_PROBES } from "#shared/gates/probe-texts.ts"
import { isRefusal } from "#shared/gates/refusal.ts"
import { scriptOf } from "#shared/gates/script.ts"

const pair = (chosen: number | null, rejected: number) => ({
  chosen: { sum: chosen, count: 2 },
  rejected: { sum: rejected, count: 1 },
})
const probe = (name: string, policy: ReturnType<typeof pair>[], base = policy) => ({ name, policy, base })
const builtIn = BUILT_IN_PROBES.map(({ name }) => probe(name, [pair(-2, -3)]))

it("a margin is of mean log-probs, and its change is against the base", () => {
  const measured = measureProbes([
    probe("harmful", [pair(-2, -1)], [pair(-2, -3)]),
    probe("safe", [pair(-2, -5)], [pair(-2, -3)]),
    probe("plain", [pair(-6, 0)], [pair(-2, -3)]),
    probe("own", [pair(-2, -1), pair(-2, -0.5)], [pair(-2, -1), pair(-2, -1)]),
  ])
  const numberIn = (name: string) => {
    const of = measured.get(name)!
    return "value" in of ? of.value : of.missing
  }
  expect(numberIn("harmful-margin-change")).toBe(-2)
  expect(numberIn("safe-margin-change")).toBe(2)
  expect(numberIn("plain-text-change")).toBe(-2)
  expect(numberIn("probe-margin-change:own")).toBe(-0.25)
  expect(numberIn("probe-accuracy:own")).toBe(0.25)
})

it("a dataset's probe with a built-in one's name stays its own", () => {
  const measured = measureProbes([...builtIn, probe("harmful", [pair(-2, -9)], [pair(-2, -1)])])
  expect(measured.get("harmful-margin-change")).toMatchObject({ value: 0 })
  expect(measured.get("probe-margin-change:harmful")).toMatchObject({ value: 8 })
})

it("a probe with a number that is not finite, or without a pair, is not measured", () => {
  expect(probedPairs([pair(null, -1)])[0]!.chosen.sum).toBeNaN()
  const measured = measureProbes([
    ...builtIn.slice(0, 2),
    probe("plain", [pair(null, -1)], [pair(-1, -1)]),
    probe("own", []),
  ])
  expect(measured.get("plain-text-change")).toEqual({
    missing: '1 of 1 pairs of the probe "plain" have no finite log-prob',
  })
  expect(measured.get("probe-margin-change:own")).toEqual({
    missing: 'the tokenizer tells no pair of the probe "own" apart',
  })
})

it("the built-in refusals refuse, the compliances do not, and both languages are asked", () => {
  const [harmful, safe, plain] = BUILT_IN_PROBES.map(({ pairs }) => pairs) as [
    ...(typeof BUILT_IN_PROBES)[number]["pairs"][],
  ]
  for (const { chosen, rejected } of harmful!) expect([isRefusal(chosen), isRefusal(rejected)]).toEqual([true, false])
  for (const { chosen, rejected } of safe!) expect([isRefusal(chosen), isRefusal(rejected)]).toEqual([false, true])
  for (const pairs of [harmful!, safe!, plain!]) {
    const scripts = pairs.map(({ prompt }) => scriptOf(prompt))
    expect(scripts.filter((script) => script === "latin")).toHaveLength(pairs.length / 2)
    expect(scripts.filter((script) => script === "east-asian")).toHaveLength(pairs.length / 2)
  }
})
