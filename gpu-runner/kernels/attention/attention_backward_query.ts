// Descriptor of attention_backward_query.wgsl.
import type { Kernel } from "#gpu-runner/device/kernel.ts"
import { headVariants, softCapVariants } from "../variants.ts"
import { attentionModules, attentionParams } from "./attention_params.ts"

export const attentionBackwardQueryKernel = {
  name: "attention_backward_query",
  bindings: ["read", "read", "read", "read", "read", "read", "read_write"],
  params: attentionParams,
  modules: attentionModules,
  variants: softCapVariants(headVariants()),
} as const satisfies Kernel
