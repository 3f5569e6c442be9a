// Which of the three families of attention kernels a context takes.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { hasCheapBroadcast } from "../choose-variant.ts"

/**
 * `tiled`: register tiles spread by subgroup broadcasts, for software adapters. `workgroup`: tiles in workgroup memory, for GPUs.
 * `portable`: one invocation a row, the reference; it also serves other software adapters, on which barriers are slow.
 */
export type AttentionKernels = "tiled" | "workgroup" | "portable"

/** By what the adapter can do. */
export function attentionKernels(context: OpContext): AttentionKernels {
  if (context.kernels === "portable") return "portable"
  if (hasCheapBroadcast(context)) return "tiled"
  return context.kernels === "gpu" || context.gpu.lane !== "software" ? "workgroup" : "portable"
}
