// What the portable and the workgroup attention kernels share: their struct Params, and each the modules.
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

/** Of the kernels in workgroup memory; a variant's head size comes with them. */
export const attentionWorkgroupModules = [
  "grid",
  "pack_vec4",
  "stable_tanh",
  "attention_score",
  "attention_workgroup",
] as const
