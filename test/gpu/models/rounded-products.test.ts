// Whole models whose products round their operands to f16, against f64: on the device's own subgroup matrices where it has any, else on
// emulated ones. What the rounding costs is bounded; a misplaced fragment would cost everything.
import { createContext } from "#gpu-runner/device/context.ts"
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
