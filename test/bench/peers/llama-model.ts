// The model of the step: sizes, and how its parts are read by systems in JavaScript.
import { readFileSync } from "node:fs"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import type { LlamaSizes, ModelTask } from "./tasks.ts"

export const LORA_RANK = 8
export const LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

/** 4.46 million weights: small enough for every peer, large enough that products dominate. */
export const ANCHOR: LlamaSizes = {
  hidden_size: 256,
  intermediate_size: 768,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 64,
  vocab_size: 4096,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
}

export function llamaConfig(sizes: LlamaSizes): DecoderConfig {
  return parseDecoderConfig({
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_act: "silu",
    tie_word_embeddings: false,
    bos_token_id: 1,
    eos_token_id: 2,
    ...sizes,
  })
}

export interface StoredValues {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

export function readFloats(file: string): Float32Array {
  const data = readFileSync(file)
  return new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
}

/** u32 [sequences · length] */
export function readTokenIds(task: ModelTask): Uint32Array {
  return new Uint32Array(readFloats(task.files.tokenIds).buffer)
}

/** Every tensor of the task by name: the weights' Hugging Face names, and `<module>.lora_A`, `<module>.lora_B`. */
export function readTensors(task: ModelTask): Map<string, StoredValues> {
  const all = readFloats(task.files.weights)
  return new Map(
    task.tensors.map(({ name, shape, offset }) => {
      const size = shape.reduce((product, length) => product * length, 1)
      return [name, { shape, values: all.slice(offset, offset + size) }]
    }),
  )
}

/** √(Σ g²) over arrays. */
export function norm(gradients: Iterable<ArrayLike<number>>): number {
  let squares = 0
  for (const gradient of gradients) {
    for (let index = 0; index < gradient.length; index++) squares += gradient[index]! ** 2
  }
  return Math.sqrt(squares)
}
