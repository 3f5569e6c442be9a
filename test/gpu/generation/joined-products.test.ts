// Layers that read one input, stored one after the other, are one product with outputs apart: to the bit what each layer gives by itself, for
// few rows and many; and where kernels do not put outputs apart, nothing is recorded.
import { expect } from "vitest"
import type { OpContext, SteadyRows } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { matmul, matmulParts } from "#gpu-runner/ops/matmul/matmul.ts"
import { releaseWeight, uploadWeight, type WholeWeight, weightRows } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { storeMatrix } from "#shared/formats/weights/quantisation.ts"
import { tensorOf } from "#shared/formats/weights/safetensors.ts"
import { matmul as reference } from "#test/reference/matmul.ts"
import { normal64 } from "#test/reference/random.ts"
import { relativeError, uploaded64 } from "../compare-op.ts"
import { portableTest, softwareTest } from "../lanes.ts"

const DEPTH = 72
const GROUPS = [
  [128, 64, 64],
  [192, 192],
] as const

function joinedWeight(context: OpContext, kind: "f32" | "bf16" | "nf4", rows: number): WholeWeight {
  const values = Float32Array.from(normal64("joined-weight", [rows, DEPTH]).data)
  return uploadWeight(context, storeMatrix(tensorOf("weight", [rows, DEPTH], values), kind), "weight") as WholeWeight
}

for (const kind of ["f32", "bf16", "nf4"] as const) {
  softwareTest(`joined layers give the bits that each gives alone, weights as ${kind}`, async (context) => {
    for (const group of GROUPS) {
      const weight = joinedWeight(
        context,
        kind,
        group.reduce((sum, count) => sum + count, 0),
      )
      for (const [rows, steadyRows] of [
        [1, "few"],
        [5, "few"],
        [20, "few"],
        [20, "many"],
      ] as const) {
        const steady = { ...context, steadyRows: steadyRows satisfies SteadyRows }
        const input = uploaded64(context, normal64(`joined-input-${rows}`, [rows, DEPTH]), "input")
        const parts = matmulParts(steady, input, weight, group)!
        let firstRow = 0
        const alone = group.map((rowCount) => {
          const own = weightRows(weight, { firstRow, rowCount })
          firstRow += rowCount
          return matmul(steady, input, own, { transposeB: true })
        })
        expect(parts.map(({ shape }) => shape)).toEqual(group.map((count) => [rows, count]))
        const read = await readback(context, [...parts, ...alone])
        expect(read.slice(0, group.length)).toEqual(read.slice(group.length))
      }
      releaseWeight(context, weight)
    }
  })
}

softwareTest("the second of joined layers agrees with f64", async (context) => {
  const weight = joinedWeight(context, "f32", 256)
  const input = normal64("joined-input", [3, DEPTH])
  const [, second] = matmulParts(
    { ...context, steadyRows: "few" },
    uploaded64(context, input, "input"),
    weight,
    [128, 64, 64],
  )!
  const [actual] = await readback(context, [second!])
  const all = normal64("joined-weight", [256, DEPTH]).data.subarray(128 * DEPTH, 192 * DEPTH)
  const expected = reference(input, { shape: [64, DEPTH], data: all }, { transposeB: true })
  expect(relativeError(actual!, expected.data)).toBeLessThan(1e-5)
  releaseWeight(context, weight)
})

portableTest("portable kernels do not put outputs apart, and nothing is taken", (context) => {
  const weight = joinedWeight(context, "f32", 256)
  const input = uploaded64(context, normal64("joined-input", [3, DEPTH]), "input")
  const { usedBytes } = context.memory.statistics()
  expect(matmulParts({ ...context, steadyRows: "few" }, input, weight, [128, 128])).toBeUndefined()
  expect(context.memory.statistics().usedBytes).toBe(usedBytes)
  releaseWeight(context, weight)
})
