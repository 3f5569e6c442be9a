// What is measured side by side. A task is plain JSON, because peers of other languages read it; its inputs lie in files beside it.

/** [rows, inner] · [inner, columns], `repeats` times a round, so that one wait for the device weighs little. */
export interface MatmulTask {
  readonly kind: "matmul"
  readonly name: string
  readonly rows: number
  readonly inner: number
  readonly columns: number
  readonly repeats: number
  /** f32 little-endian files: a [rows, inner], b [inner, columns], bTransposed [columns, inner]; b is exact in bf16. */
  readonly files: { readonly a: string; readonly b: string; readonly bTransposed: string }
  /** Flat indices of the output whose values are checked. */
  readonly samples: readonly number[]
  /** Of their errors by the result's scale; where operands are rounded to 16 bits it is coarser than usual. */
  readonly tolerance?: number
}

/** Sizes of a Llama model, in the words of its config.json. */
export interface LlamaSizes {
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly head_dim: number
  readonly vocab_size: number
  readonly max_position_embeddings: number
  readonly rms_norm_eps: number
  readonly rope_theta: number
}

/** Forward and backward of mean −log p of every token after the first, without an optimiser; or the log-probs alone. */
export interface ModelTask {
  readonly kind: "step" | "log-probs"
  readonly name: string
  /** Of a step: what gets gradients. */
  readonly train: "adapter" | "weights"
  readonly sizes: LlamaSizes
  readonly sequences: number
  readonly length: number
  readonly loraScaling: number
  /** One f32 file and where each tensor lies in it; u32 token ids [sequences, length]; the same model as ONNX. */
  readonly files: { readonly weights: string; readonly tokenIds: string; readonly onnx: string }
  readonly tensors: readonly StoredShape[]
}

/** One optimiser step of preference tuning with LoRA on all seven linears; each system makes its own random bf16 weights and tokens. */
export interface PairsTask {
  readonly kind: "pairs"
  readonly name: string
  readonly sizes: LlamaSizes
  readonly tiesEmbeddings: boolean
  readonly pairs: number
  readonly promptLength: number
  /** Of each response. */
  readonly responseLength: number
  readonly rank: number
}

/** Scaled dot-product attention of plain causal sequences, [sequences, heads, length, headSize], forward alone. */
export interface AttentionTask {
  readonly kind: "attention"
  readonly name: string
  readonly sequences: number
  readonly heads: number
  readonly length: number
  readonly headSize: number
  /** f32 files [sequences · length, heads · headSize] */
  readonly files: { readonly query: string; readonly key: string; readonly value: string }
  /** Flat indices of the output, laid out as the inputs are. */
  readonly samples: readonly number[]
}

export interface StoredShape {
  readonly name: string
  readonly shape: readonly number[]
  /** in floats */
  readonly offset: number
}

export type Task = MatmulTask | ModelTask | AttentionTask | PairsTask

/** What a system found, to be checked: sampled values in the task's order, or loss and gradient norm of a step. */
export interface Found {
  readonly samples?: readonly number[]
  readonly loss?: number
  readonly gradientNorm?: number
  /** What a reader has to know about how the system did the task. */
  readonly note?: string
  /** Share of the task's work that one round does, where a system cannot do all of it: 0.25 for one of four sequences. */
  readonly share?: number
}

/** Floating-point operations of one round of a matmul or attention task. */
export function operations(task: MatmulTask | AttentionTask): number {
  if (task.kind === "matmul") return 2 * task.rows * task.inner * task.columns * task.repeats
  return (task.sequences * 4 * task.heads * task.headSize * task.length * (task.length + 1)) / 2
}

/** What one round gets through: operations, or tokens. */
export function workOf(task: Task): { readonly amount: number; readonly unit: "GFLOP/s" | "tokens/s" | "pairs/s" } {
  if (task.kind === "matmul" || task.kind === "attention") return { amount: operations(task) / 1e9, unit: "GFLOP/s" }
  if (task.kind === "pairs") return { amount: task.pairs, unit: "pairs/s" }
  return { amount: task.sequences * task.length, unit: "tokens/s" }
}
