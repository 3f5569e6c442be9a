// Descriptor of attention_workgroup_forward.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { headVariants, softCapVariants } from "../variants.ts"
import { attentionParams, attentionWorkgroupModules } from "./attention_params.ts"

export const attentionWorkgroupForwardKernel = {
  name: "attention_workgroup_forward",
  bindings: ["read", "read", "read", "read", "read", "read_write", "read_write"],
  params: attentionParams,
  modules: attentionWorkgroupModules,
  variants: softCapVariants(headVariants()),
} as const satisfies Kernel
