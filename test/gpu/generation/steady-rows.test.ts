// Products with steady rows: a row has the same bits alone and among others, also where kernels for GPUs would cut the depth into slices by
// the number of rows.
import { expect } from "vitest"
import type { OpContext, SteadyRows } from "#gpu-runner/device/context.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { releaseWeight, uploadWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { storeMatrix, WEIGHT_KINDS } from "#shared/formats/weights/quantisation.ts"
import { tensorOf } from "#shared/formats/weights/safetensors.ts"
import { normal64 } from "#test/reference/random.ts"
import { uploaded64 } from "../compare-op.ts"
import { gpuKernelsTest, portableTest, softwareTest } from "../lanes.ts"

interface Shape {
  readonly columns: number
  readonly depth: number
}

/** The distinct rows of the products of one weight with so many equal rows each. */
async function distinctRows(context: OpContext, counts: readonly number[], { columns, depth }: Shape): Promise<number> {
  const row = Float32Array.from(normal64("steady-row", [1, depth]).data)
  const weight = uploaded64(context, normal64("steady-weight", [columns, depth]), "weight")
  const found = new Set<string>()
  for (const count of counts) {
    const values = new Float32Array(count * depth)
    for (let index = 0; index < count; index++) values.set(row, index * depth)
    const input = uploaded(context, values, [count, depth], "input")
    const [product] = await readback(context, [matmul(context, input, weight, { transposeB: true })])
    for (let index = 0; index < count; index++)
      found.add(product!.subarray(index * columns, (index + 1) * columns).join())
  }
  return found.size
}

const steady = (context: OpContext, steadyRows: SteadyRows = "many"): OpContext => ({ ...context, steadyRows })

for (const [name, run] of Object.entries({ tuned: softwareTest, portable: portableTest, gpu: gpuKernelsTest })) {
  run(`with steady rows a row of a product is the same bits beside any number of others (${name})`, async (context) => {
    for (const columns of [8, 40]) {
      for (const rows of ["many", "few"] as const) {
        expect(await distinctRows(steady(context, rows), [1, 2, 3, 5, 16, 17, 70], { columns, depth: 516 })).toBe(1)
      }
    }
  })
}

gpuKernelsTest(
  "with steady rows the depth is cut into the same slices for 1 row and for 70, and without them not",
  async (context) => {
    const shape = { columns: 2560, depth: 2048 }
    expect(await distinctRows(steady(context), [1, 70], shape)).toBe(1)
    expect(await distinctRows(context, [1, 70], shape)).toBe(2)
  },
)

for (const kind of WEIGHT_KINDS) {
  softwareTest(`the kernel for few rows and those for many give the same bits, weight as ${kind}`, async (context) => {
    const [columns, depth] = [44, 520]
    const values = Float32Array.from(normal64("few-weight", [columns, depth]).data)
    const weight = uploadWeight(context, storeMatrix(tensorOf("weight", [columns, depth], values), kind), "weight")
    const input = uploaded64(context, normal64("few-input", [8, depth]), "input")
    const product = (rows: SteadyRows) => matmul(steady(context, rows), input, weight, { transposeB: true })
    const [many, few] = await readback(context, [product("many"), product("few")])
    expect(few).toEqual(many)
    releaseWeight(context, weight)
  })
}
