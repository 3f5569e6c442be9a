import { expect, it } from "vitest"
import { PRECISION_BOUNDS, precisionPair } from "#shared/formats/weights/precision-bounds.ts"
import { REFERENCE_PRECISIONS } from "#shared/formats/weights/reference-precision.ts"

it("a policy in one precision may be apart from a reference in another by the sum of both, in the same by nothing", () => {
  expect(precisionPair("int8", "bf16").bound).toBeCloseTo(4e-3 + 1.6e-3, 15)
  expect(precisionPair("f16", "nf4").bound).toBeCloseTo(5e-4 + 0.17, 15)
  expect([precisionPair("stored", "int8").bound, precisionPair("int8", "stored").bound]).toEqual([4e-3, 4e-3])
  for (const precision of REFERENCE_PRECISIONS) {
    if (precision === "mixed") continue
    expect(precisionPair(precision, precision).bound, precision).toBe(0)
    expect(precisionPair(precision, "f32").bound, precision).toBe(
      precision === "stored" ? 0 : PRECISION_BOUNDS[precision],
    )
  }
})
