// Every tiling that the device's own subgroup matrices allow, against f64: a choice that was measured, or the table of usual ones, may
// take any of them. Skipped where there are none; the emulation in matmul-gpu.test.ts has no fragments to get wrong.
import { expect } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import type { KernelChoices } from "#gpu-runner/device/open-device.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { matrixTilings } from "#gpu-runner/kernels/matmul/matmul_matrix.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import type { MatmulOptions } from "#gpu-runner/ops/matmul/matmul-problem.ts"
import { narrowFloat16, widenFloat16 } from "#shared/formats/weights/half-float.ts"
import type { Array64 } from "#test/reference/array64.ts"
import { matmul as matmul64 } from "#test/reference/matmul.ts"
import { normal64 } from "#test/reference/random.ts"
import { relativeError, uploaded64 } from "./compare-op.ts"
import { softwareTest } from "./lanes.ts"

/** Whole tiles of every size, which are added to the output directly, and ragged ones beside them; too short a depth to be sliced. */
const [ROWS, COLUMNS, DEPTH] = [140, 260, 500] as const

function halves(name: string, shape: readonly number[]): Array64 {
  const { data } = normal64(name, shape)
  return { shape, data: Float64Array.from(widenFloat16(narrowFloat16(Float32Array.from(data)))) }
}

async function errorOf(context: OpContext, options: MatmulOptions): Promise<number> {
  const { transposeA = false, transposeB = false } = options
  const a = halves("a", transposeA ? [DEPTH, ROWS] : [ROWS, DEPTH])
  const b = halves("b", transposeB ? [COLUMNS, DEPTH] : [DEPTH, COLUMNS])
  const base = normal64("base", [ROWS, COLUMNS])
  const out = uploaded64(context, base, "out")
  matmul(context, uploaded64(context, a, "a"), uploaded64(context, b, "b"), { ...options, out, accumulate: true })
  const [actual] = await readback(context, [out])
  const expected = matmul64(a, b, options).data.map((value, i) => base.data[i]! + value)
  return relativeError(actual!, expected)
}

softwareTest(
  "every tiling of the device's own subgroup matrices gives whole and ragged tiles",
  async ({ gpu }, test) => {
    const units = gpu.matrixUnits
    if (!units) return test.skip(`no subgroup matrices here: ${gpu.info.matrixUnitsReport}`)
    const tilings = matrixTilings(units, gpu.limits)
    expect(tilings.length).toBeGreaterThan(0)
    // Tensor cores of real GPUs cut off what their adders do not hold; sums in f16 would err by 1e-3.
    const tolerance = gpu.lane === "gpu" ? 1e-5 : 2e-6
    for (const { tile, fragments } of tilings) {
      const name = `matrix.${tile}.${fragments}`
      const kernelChoices = new Proxy({}, { get: () => name }) as KernelChoices
      const context = createContext({ ...gpu, kernelChoices }, "gpu")
      for (const transposeA of [false, true]) {
        expect(await errorOf(context, { transposeA, transposeB: !transposeA }), name).toBeLessThan(tolerance)
      }
    }
  },
)
