// Descriptor of soft_cap.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { onlyVariant } from "../variants.ts"

export const softCapKernel = {
  name: "soft_cap",
  bindings: ["read_write"],
  params: { pack_count: "u32", soft_cap: "f32" },
  modules: ["grid", "pack_vec4", "stable_tanh"],
  variants: onlyVariant(),
} as const satisfies Kernel
