// LoRA adapters as PEFT stores them: adapter_config.json and adapter_model.safetensors, for the Llama layout.
import type { LlamaConfig } from "./llama-config.ts"

/** The linear modules that an adapter may target. */
export const LLAMA_TARGET_MODULES = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
] as const
export type LlamaTargetModule = (typeof LLAMA_TARGET_MODULES)[number]

/** What of adapter_config.json matters. `scaling` multiplies B·A·x: alpha / rank, or alpha / √rank with rslora. */
export interface AdapterSettings {
  readonly baseModel: string
  readonly rank: number
  readonly alpha: number
  readonly targetModules: readonly LlamaTargetModule[]
  readonly useRankStabilisedScaling?: boolean
}

/** One adapted linear module: a [rank, in], b [out, rank], f32 row-major. */
export interface AdapterModule {
  readonly a: Float32Array
  readonly b: Float32Array
}

/** `modules` is keyed by module path, e.g. "model.layers.0.self_attn.q_proj". */
export interface Adapter {
  readonly settings: Required<AdapterSettings>
  readonly scaling: number
  readonly modules: Map<string, AdapterModule>
}

/** The two files of an adapter, by their required names. */
export interface AdapterFiles {
  readonly "adapter_config.json": Uint8Array
  readonly "adapter_model.safetensors": Uint8Array
}

/** The adapter cannot be used; the message names the option or tensor and the mend. */
export class InvalidAdapter extends Error {
  readonly _tag = "InvalidAdapter"
}

/** The adapter_config.json object that PEFT, vLLM, llama.cpp and Workers AI accept. Throws InvalidAdapter. */
export function peftConfig(_settings: AdapterSettings): Record<string, unknown> {
  throw new Error("unfinished")
}

/** "base_model.model.<modulePath>.lora_A.weight" */
export function adapterTensorName(modulePath: string, matrix: "A" | "B"): string {
  return `base_model.model.${modulePath}.lora_${matrix}.weight`
}

/** Module paths with [out, in] sizes that the targets select in a model, in layer order. */
export function adapterModuleShapes(
  _config: LlamaConfig,
  _targetModules: readonly LlamaTargetModule[],
): Map<string, { readonly out: number; readonly in: number }> {
  throw new Error("unfinished")
}

/** Reads and validates an adapter for a model. Throws InvalidAdapter. */
export function readAdapter(_files: AdapterFiles, _config: LlamaConfig): Adapter {
  throw new Error("unfinished")
}

/** Writes both files (f32, deterministic bytes). Throws InvalidAdapter on the same grounds as readAdapter. */
export function writeAdapter(
  _settings: AdapterSettings,
  _modules: ReadonlyMap<string, AdapterModule>,
  _config: LlamaConfig,
): AdapterFiles {
  throw new Error("unfinished")
}
