// What the portable attention kernels share: their struct Params and their modules. One invocation computes single scores.
import type { Kernel } from "#gpu-runner/device/kernel.ts"

export const attentionParams = {
  query_count: "u32",
  key_count: "u32",
  head_count: "u32",
  group_size: "u32",
  head_packs: "u32",
  scale: "f32",
  soft_cap: "f32",
} as const satisfies Kernel["params"]

export const attentionModules = ["grid", "attention_ranges", "pack_scalar", "stable_tanh", "attention_score"] as const
