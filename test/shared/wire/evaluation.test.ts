// The blob of an evaluation: what the runner writes is what the orchestrator reads.
import { Effect } from "effect"
import fc from "fast-check"
import { expect, it } from "vitest"
import { readSafetensors, type Tensor, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { decodeEvaluation, type Evaluation, encodeEvaluation } from "#shared/wire/evaluation.ts"

const ID = "ab".repeat(32)
const EVALUATION: Evaluation = {
  pairIds: [ID],
  chosen: [{ sum: -12.5, count: 3 }],
  rejected: [{ sum: Number.NaN, count: 2 }],
  isNearDuplicate: [true],
}

const read = (bytes: Uint8Array) => Effect.runSync(Effect.result(decodeEvaluation(bytes)))
const faultOf = (bytes: Uint8Array): string => {
  const result = read(bytes)
  return result._tag === "Failure" ? result.failure.message : "none"
}

/** The evaluation's file with a tensor replaced or removed, and another version in it. */
const spoilt = (change: (tensors: Map<string, Tensor>) => void, version = "1"): Uint8Array => {
  const { tensors } = readSafetensors(encodeEvaluation(EVALUATION))
  const changed = new Map(tensors)
  change(changed)
  return writeSafetensors(changed.values(), { format: "yohaku-evaluation", version })
}

it("takes 57 bytes a pair and a header", () => {
  const many = (count: number): Evaluation => ({
    pairIds: Array.from({ length: count }, () => ID),
    chosen: Array.from({ length: count }, () => ({ sum: -1, count: 1 })),
    rejected: Array.from({ length: count }, () => ({ sum: -1, count: 1 })),
    isNearDuplicate: Array.from({ length: count }, () => false),
  })
  expect(encodeEvaluation(many(2000)).length - encodeEvaluation(many(1000)).length).toBeLessThan(57_000 + 64)
})

it("is read back to the bit, also sums that are not finite", () => {
  expect(read(encodeEvaluation(EVALUATION))).toMatchObject({ _tag: "Success", success: EVALUATION })
  const score = fc.record({ sum: fc.double(), count: fc.nat() })
  const pair = fc.record({
    id: fc.array(fc.constantFrom(..."0123456789abcdef"), { minLength: 64, maxLength: 64 }).map((hex) => hex.join("")),
    chosen: score,
    rejected: score,
    isNear: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 5 }), (pairs) => {
      const evaluation: Evaluation = {
        pairIds: pairs.map(({ id }) => id),
        chosen: pairs.map(({ chosen }) => chosen),
        rejected: pairs.map(({ rejected }) => rejected),
        isNearDuplicate: pairs.map(({ isNear }) => isNear),
      }
      expect(read(encodeEvaluation(evaluation))).toMatchObject({ success: evaluation })
    }),
  )
})

it("is refused, with the place and the mend, where it is no evaluation", () => {
  expect(faultOf(new TextEncoder().encode('{"pairIds":[]}'))).toMatch(/^it is no safetensors file: /)
  expect(faultOf(spoilt(() => undefined, "3"))).toBe("it is no yohaku-evaluation of version 1 or 2; update the runner")
  expect(faultOf(spoilt(() => undefined, "2"))).toBe(
    "its prompt_scripts have no bytes where 1 pairs take 1; update the runner",
  )
  expect(faultOf(spoilt((tensors) => tensors.delete("sums")))).toBe(
    "its sums have no bytes where 1 pairs take 16; update the runner",
  )
  const short = (tensors: Map<string, Tensor>) =>
    tensors.set("counts", { name: "counts", dtype: "U32", shape: [1], data: new Uint8Array(4) })
  expect(faultOf(spoilt(short))).toBe("its counts have 4 bytes where 1 pairs take 8; update the runner")
})

const answer = (text: string) => ({ ids: [5, 1], text, isWhole: true })
const WITH_BEHAVIOUR: Evaluation = {
  ...EVALUATION,
  promptScripts: ["east-asian"],
  behaviour: {
    answers: [{ pair: 0, script: "east-asian", policy: answer("はい"), base: answer("いいえ\u0000") }],
    probes: [
      {
        name: "plain",
        policy: [{ chosen: { sum: null, count: 1 }, rejected: { sum: -2, count: 3 } }],
        base: [{ chosen: { sum: -1, count: 1 }, rejected: { sum: -2, count: 3 } }],
      },
    ],
  },
}

it("carries how the policy behaves beside its base, where it was asked for", () => {
  expect(read(encodeEvaluation(WITH_BEHAVIOUR))).toMatchObject({ _tag: "Success", success: WITH_BEHAVIOUR })
  expect(readSafetensors(encodeEvaluation(EVALUATION)).metadata.version).toBe("1")
  expect(readSafetensors(encodeEvaluation(WITH_BEHAVIOUR)).metadata.version).toBe("2")
})

it("is refused where its behaviour is no JSON of that form", () => {
  const withText = (text: string) => {
    const { tensors, metadata } = readSafetensors(encodeEvaluation(WITH_BEHAVIOUR))
    const data = new TextEncoder().encode(text)
    const changed = new Map(tensors).set("behaviour", { name: "behaviour", dtype: "U8", shape: [data.length], data })
    return writeSafetensors(changed.values(), metadata)
  }
  expect(faultOf(withText("{"))).toMatch(/^its behaviour cannot be read \(.*\); update the runner$/s)
  expect(faultOf(withText('{"answers":[]}'))).toMatch(/probes/)
})
