// Runs a whole adapted model on the software adapter with subgroups of another size than its usual 8: Mesa's llvmpipe makes them as wide
// as its vectors. To be called before anything else opens a device in the process.
import { expect } from "vitest"
import { createContext } from "#gpu-runner/device/context.ts"
import { softwareTest } from "../lanes.ts"
import { compareAdapted, RANK } from "./compare-adapted.ts"
import { randomAdapter, tinyFamilyConfig } from "./tiny.ts"

const BITS_PER_LANE = 32

/** Gemma 3 and Llama together have every part that a decoder can have. */
export function testSubgroupsOf(lanes: number): void {
  process.env.LP_NATIVE_VECTOR_WIDTH = String(lanes * BITS_PER_LANE)
  for (const family of ["gemma3", "llama"] as const) {
    for (const kernels of ["tuned", "gpu"] as const) {
      softwareTest(`${family} with ${kernels} kernels agrees with f64 in subgroups of ${lanes}`, ({ gpu }, test) => {
        if (gpu.lane !== "software") test.skip(`${gpu.info.description} has its own subgroup size`)
        expect([gpu.info.subgroupMinSize, gpu.info.subgroupMaxSize]).toEqual([lanes, lanes])
        const context = createContext(gpu, kernels, { precision: "f32" })
        return compareAdapted(context, family, randomAdapter(tinyFamilyConfig(family), RANK, lanes))
      })
    }
  }
}
