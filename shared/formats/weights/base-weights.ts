// How the weights of a frozen base are held, and how many bytes they take: pure arithmetic over a model's tensor shapes.
// Linear layers are held as asked. Embedding and head stay in 16 bits under int8 and nf4, as QLoRA leaves them; norms and biases in f32.
import { type DecoderConfig, decoderTensorShapes } from "../families/decoder-config.ts"
import { isQuantised, storedBytes, verbatimKind, WEIGHT_KINDS, type WeightKind } from "./quantisation.ts"
import type { SafetensorsDtype, Tensor } from "./tensor.ts"

/** `stored` is the checkpoint's own dtype, tensor by tensor: exact, without a copy of what is 16-bit. */
export const BASE_WEIGHTS = ["stored", ...WEIGHT_KINDS] as const
export type BaseWeights = (typeof BASE_WEIGHTS)[number]

const TABLES: readonly string[] = ["model.embed_tokens.weight", "lm_head.weight"]

/** How one tensor of the checkpoint is held. Throws UnstorableWeight on other dtypes than F32, BF16, F16. */
export function heldKind(tensor: Pick<Tensor, "name" | "dtype" | "shape">, baseWeights: BaseWeights): WeightKind {
  if (tensor.shape.length === 1) return "f32"
  const verbatim = verbatimKind(tensor)
  if (baseWeights === "stored") return verbatim
  if (isQuantised(baseWeights) && TABLES.includes(tensor.name)) return verbatim === "f32" ? "bf16" : verbatim
  return baseWeights
}

/** Whether every weight keeps the checkpoint's value: log-probs are then those of the checkpoint in f32. */
export function isExact(
  tensors: Iterable<Pick<Tensor, "name" | "dtype" | "shape">>,
  baseWeights: BaseWeights,
): boolean {
  for (const tensor of tensors) {
    const kind = heldKind(tensor, baseWeights)
    if (kind !== "f32" && kind !== verbatimKind(tensor)) return false
  }
  return true
}

/** Bytes of a base on the device, without the padding of buffers. */
export interface ModelBytes {
  readonly linears: number
  /** Embedding, and the head where it is a tensor of its own. */
  readonly tables: number
  readonly vectors: number
  readonly total: number
  /** The f32 scratch tensor of the largest coded matrix: one is alive at a time. 0 where nothing is coded. */
  readonly largestExpansion: number
}

/** Bytes of a checkpoint's weights when held as `baseWeights`; `dtypeOf` gives each tensor's dtype by name. */
export function heldBytes(
  config: DecoderConfig,
  dtypeOf: (name: string) => SafetensorsDtype,
  baseWeights: BaseWeights,
): ModelBytes {
  const sums = { linears: 0, tables: 0, vectors: 0 }
  let largestExpansion = 0
  for (const [name, shape] of decoderTensorShapes(config)) {
    const [rows, columns] = shape as readonly [number, number?]
    if (columns === undefined) {
      sums.vectors += 4 * rows
      continue
    }
    const kind = heldKind({ name, dtype: dtypeOf(name), shape }, baseWeights)
    sums[TABLES.includes(name) ? "tables" : "linears"] += storedBytes(kind, rows, columns)
    if (kind !== "f32") largestExpansion = Math.max(largestExpansion, storedBytes("f32", rows, columns))
  }
  return { ...sums, total: sums.linears + sums.tables + sums.vectors, largestExpansion }
}
