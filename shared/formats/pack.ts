// The pack: one safetensors file that holds everything a training run reads, the contract between edge and runner.
// Its bytes are a function of the set of pairs and the metadata, so that its digest names the run's input.

/** One tokenised pair. Ids are token ids; log-probs are nats, one per response token. */
export interface PackPair {
  /** sha256 of the pair, 64 hex digits */
  readonly id: string
  readonly promptIds: ArrayLike<number>
  readonly chosenIds: ArrayLike<number>
  readonly rejectedIds: ArrayLike<number>
  readonly referenceLogProbs?: { readonly chosen: ArrayLike<number>; readonly rejected: ArrayLike<number> } | undefined
  /** default 1 */
  readonly weight?: number | undefined
  readonly split: PackSplit
}

export type PackSplit = "train" | "held-out"

/** What the pack was made from: snapshot digest, reference fingerprint ("" without a reference), sha256 of tokenizer.json. */
export interface PackMeta {
  readonly snapshot: string
  readonly reference: string
  readonly tokenizer: string
}

/** A validated pack. Arrays are views into the file's bytes where alignment allows. */
export interface Pack {
  readonly meta: PackMeta
  readonly pairCount: number
  readonly pairIds: readonly string[]
  /** [total]: every pair's [prompt | chosen | rejected], back to back */
  readonly tokenIds: Uint32Array
  /** [B,4] row-major: start, chosenStart, rejectedStart, end, absolute in tokenIds */
  readonly bounds: Uint32Array
  /** per pair chosen tokens then rejected tokens, nats; absent for reference-free use */
  readonly referenceLogProbs?: Float32Array
  /** [B+1] offsets of each pair in referenceLogProbs */
  readonly responseOffsets: Uint32Array
  /** [B] */
  readonly weights: Float32Array
  /** [B]: 0 train, 1 held-out */
  readonly split: Uint8Array
}

/** The pack breaks its contract; the message names the pair or tensor and the mend. */
export class InvalidPack extends Error {
  readonly _tag = "InvalidPack"
}

/** Writes a pack, pairs sorted by id. Throws InvalidPack on an unusable pair, on duplicates, or when only some pairs carry reference log-probs. */
export function encodePack(_pairs: Iterable<PackPair>, _meta: PackMeta): Uint8Array<ArrayBuffer> {
  throw new Error("unfinished")
}

/** Reads and validates a pack. Throws InvalidPack, nothing else. */
export function decodePack(_bytes: Uint8Array): Pack {
  throw new Error("unfinished")
}

/** One pair of a decoded pack as views (no copies). Throws RangeError outside [0, pairCount). */
export function packPair(_pack: Pack, _index: number): PackPair & { readonly weight: number } {
  throw new Error("unfinished")
}
