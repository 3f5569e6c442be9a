// Whole models whose products round their operands to f16, against f64: on the device's own subgroup matrices where it has any, else on
// emulated ones. What the rounding costs is bounded; a misplaced fragment would cost everything.
import { expect } from "vitest"
import { createContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import type { Array64 } from "#test/reference/array64.ts"
import { matmul as matmul64 } from "#test/reference/matmul.ts"
import { normal64 } from "#test/reference/random.ts"
import { relativeError, uploaded64 } from "../compare-op.ts"
import { emulatedUnits } from "../emulated-units.ts"
import { softwareTest } from "../lanes.ts"
import { compareAdapted, RANK } from "./compare-adapted.ts"
import { randomAdapter, tinyFamilyConfig } from "./tiny.ts"

/** f16 keeps 11 bits: 5e-4 an operand. */
const ROUNDED_TOLERANCE = 1e-2

for (const family of ["gemma3", "llama"] as const) {
  softwareTest(`${family} with f16 products on subgroup matrices agrees with f64 to their rounding`, ({ gpu }) => {
    const matrixUnits = gpu.matrixUnits ?? emulatedUnits(8, 8, 8, 8)
    const adapter = randomAdapter(tinyFamilyConfig(family), RANK, 31)
    return compareAdapted(createContext(gpu, "gpu", { matrixUnits }), family, adapter, { tolerance: ROUNDED_TOLERANCE })
  })
}

softwareTest("gradients keep their bits while B is a few steps of a small learning rate from zero", ({ gpu }) => {
  const matrixUnits = gpu.matrixUnits ?? emulatedUnits(8, 8, 8, 8)
  const adapter = randomAdapter(tinyFamilyConfig("llama"), RANK, 31)
  for (const { b } of adapter.modules.values()) b.set(b.map((value) => value * 1e-6))
  return compareAdapted(createContext(gpu, "gpu", { matrixUnits }), "llama", adapter, { tolerance: ROUNDED_TOLERANCE })
})

softwareTest(
  "a low-rank product keeps its bits where the right factor is as small as after a few steps",
  async ({ gpu }) => {
    const context = createContext(gpu, "gpu", { matrixUnits: gpu.matrixUnits ?? emulatedUnits(8, 8, 8, 8) })
    const [left, unit] = [normal64("left", [16, 8]), normal64("right", [32, 8])]
    const right: Array64 = { shape: unit.shape, data: unit.data.map((value) => value * 1e-6) }
    const zeros = (rows: number) =>
      uploaded64(context, { shape: [rows, 16], data: new Float64Array(16 * rows) }, "zeros")
    const lowRank = { left: uploaded64(context, left, "left"), right: uploaded64(context, right, "right"), scale: 2 }
    const [out] = await readback(context, [matmul(context, zeros(16), zeros(32), { transposeB: true, lowRank })])
    const expected = matmul64(left, right, { transposeB: true }).data.map((value) => 2 * value)
    expect(relativeError(out!, expected, 0)).toBeLessThan(1e-3)
  },
)
