// The blob of an evaluation: what the runner writes is what the orchestrator reads.
import { Effect } from "effect"
import { expect, it } from "vitest"
import { decodeEvaluation, type Evaluation, encodeEvaluation } from "#shared/wire/evaluation.ts"

const ID = "ab".repeat(32)
const EVALUATION: Evaluation = {
  pairIds: [ID],
  chosen: [{ sum: -12.5, count: 3 }],
  rejected: [{ sum: Number.NaN, count: 2 }],
}

const textOf = (evaluation: Evaluation) => new TextDecoder().decode(encodeEvaluation(evaluation))
const read = (text: string) => Effect.runSync(Effect.result(decodeEvaluation(new TextEncoder().encode(text))))
const faultOf = (text: string): string => {
  const result = read(text)
  return result._tag === "Failure" ? result.failure.message : "none"
}

it("is JSON in which a sum that is not finite is null", () => {
  const text = `{"pairIds":["${ID}"],"chosen":[{"sum":-12.5,"count":3}],"rejected":[{"sum":null,"count":2}]}`
  expect(textOf(EVALUATION)).toBe(text)
  for (const sum of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    expect(textOf({ ...EVALUATION, rejected: [{ sum, count: 2 }] })).toBe(text)
})

it("is read back with NaN for the sums that were not finite, and every other to the bit", () => {
  expect(read(textOf(EVALUATION))).toMatchObject({ _tag: "Success", success: EVALUATION })
  const sum = -1 / 3
  expect(read(textOf({ ...EVALUATION, chosen: [{ sum, count: 1 }] }))).toMatchObject({
    success: { chosen: [{ sum, count: 1 }] },
  })
})

it("is refused, with the place, where it is no evaluation", () => {
  expect(faultOf("{")).toMatch(/JSON/)
  expect(faultOf('{"pairIds":["x"],"chosen":[],"rejected":[]}')).toMatch(/\["pairIds"\]\[0\]/)
  expect(faultOf('{"pairIds":[],"chosen":[{"sum":"NaN","count":1}],"rejected":[]}')).toMatch(
    /\["chosen"\]\[0\]\["sum"\]/,
  )
  expect(faultOf('{"pairIds":[],"chosen":[{"sum":-1,"count":1.5}],"rejected":[]}')).toMatch(/\["count"\]/)
  expect(faultOf('{"pairIds":[],"chosen":[]}')).toMatch(/rejected/)
})
