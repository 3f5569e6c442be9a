// Rotary frequencies are host arithmetic: every scaling against its published definition and against the reference twin.
import { describe, expect, test } from "vitest"
import { ropeFrequencies } from "#shared/formats/families/rope-frequencies.ts"
import { ropeFrequency } from "#test/reference/rope.ts"

// Llama-3.2-1B: D 64, theta 500000, factor 32, low 1, high 4, 8192 original positions.
const LLAMA_3_2 = {
  type: "llama3",
  factor: 32,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalMaxPositions: 8192,
} as const
const plain = ropeFrequencies({ headSize: 64, theta: 500_000 })

describe("rotary frequencies", () => {
  test("are theta^(-2i/D) without scaling", () => {
    const few = ropeFrequencies({ headSize: 4, theta: 10_000 })
    expect(few[0]).toBe(1)
    expect(few[1]).toBeCloseTo(0.01, 15)
  })

  test("of llama3 scaling keep fast ones, divide slow ones, and blend in between", () => {
    const scaled = ropeFrequencies({ headSize: 64, theta: 500_000, scaling: LLAMA_3_2 })
    expect(scaled[0]).toBe(1)
    expect(scaled[31]).toBe(plain[31]! / 32)
    // Channel 16: 8192 · 500000^(-1/2) / 2π = 1.843848 turns, so the blend is (1.843848 - 1) / 3 = 0.281283.
    expect(scaled[16]! / plain[16]!).toBeCloseTo(0.281283 + (1 - 0.281283) / 32, 6)
    scaled.forEach((frequency, i) => {
      const expected = ropeFrequency(i, { headSize: 64, theta: 500_000, scaling: LLAMA_3_2 })
      expect(Math.abs(frequency / expected - 1)).toBeLessThan(1e-12)
    })
  })

  test("of linear scaling are divided by the factor, all of them", () => {
    const scaled = ropeFrequencies({ headSize: 64, theta: 500_000, scaling: { type: "linear", factor: 8 } })
    expect([...scaled]).toEqual([...plain].map((frequency) => frequency / 8))
  })

  test("of dynamic scaling are the plain ones up to the original maximum", () => {
    const scaling = { type: "dynamic", factor: 4, originalMaxPositions: 16 } as const
    expect([...ropeFrequencies({ headSize: 64, theta: 500_000, scaling })]).toEqual([...plain])
  })
})
