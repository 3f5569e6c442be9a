// Which matrices do not fit into binary16.
import { expect, test } from "vitest"
import { exceedsFloat16 } from "#shared/formats/weights/float16-range.ts"
import { storeMatrix, type WeightKind } from "#shared/formats/weights/quantisation.ts"

function held(largest: number, kind: WeightKind) {
  const values = Float32Array.from({ length: 2 * 64 }, (_, i) => (i === 77 ? -largest : i / 100))
  return storeMatrix({ name: "w", dtype: "F32", shape: [2, 64], data: new Uint8Array(values.buffer) }, kind)
}

test("a magnitude of 65,504 fits in every kind, a larger one in none that can hold it", () => {
  for (const kind of ["f32", "f16", "nf4"] as const) expect(exceedsFloat16(held(65_504, kind)), kind).toBe(false)
  expect(exceedsFloat16(held(65_503, "int8"))).toBe(false)
  // The largest bfloat16 below 65,536, and that.
  expect(exceedsFloat16(held(65_280, "bf16"))).toBe(false)
  for (const kind of ["f32", "bf16", "int8", "nf4"] as const)
    expect(exceedsFloat16(held(65_536, kind)), kind).toBe(true)
})

test("both halves of a bfloat16 word are looked at", () => {
  for (const place of [6, 7]) {
    const values = Float32Array.from({ length: 64 }, (_, i) => (i === place ? 1e6 : 1))
    const data = new Uint8Array(values.buffer)
    expect(exceedsFloat16(storeMatrix({ name: "w", dtype: "F32", shape: [1, 64], data }, "bf16"))).toBe(true)
  }
})
