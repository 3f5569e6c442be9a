// Descriptor of attention.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { headVariants, softCapVariants } from "../variants.ts"
import { attentionModules, attentionParams } from "./attention_params.ts"

export const attentionKernel = {
  name: "attention",
  bindings: ["read", "read", "read", "read", "read_write", "read_write"],
  params: attentionParams,
  modules: attentionModules,
  variants: softCapVariants(headVariants()),
} as const satisfies Kernel
