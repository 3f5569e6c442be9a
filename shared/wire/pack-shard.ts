// A shard of a pack: one safetensors file with a stretch of its pairs, in the order of their ids. Its bytes are a function of these pairs and
// the metadata. What the shards are of together is the manifest's (pack-manifest.ts).
import { bytesToHex, hexToBytes } from "#shared/formats/digest.ts"
import { readSafetensors, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { asFloat32, asUint32, type SafetensorsDtype, type Tensor, tensorOf } from "#shared/formats/weights/tensor.ts"
import type { Split } from "./pair-identity.ts"

/** One tokenised pair, or a verdict: one response, the other is empty. Ids are token ids; log-probs are nats, one per response token. */
export interface PackPair {
  /** sha256 of the pair, 64 hex digits */
  readonly id: string
  readonly promptIds: ArrayLike<number>
  readonly chosenIds: ArrayLike<number>
  readonly rejectedIds: ArrayLike<number>
  readonly referenceLogProbs?: { readonly chosen: ArrayLike<number>; readonly rejected: ArrayLike<number> } | undefined
  /** default 1 */
  readonly weight?: number | undefined
  readonly split: Split
}

/** What the shard was made from, as its manifest says too: snapshot digest, reference fingerprint ("" without a reference), sha256 of tokenizer.json. */
export interface PackMeta {
  readonly snapshot: string
  readonly reference: string
  readonly tokenizer: string
}

/** A validated shard. Arrays are views into the file's bytes where alignment allows. */
export interface PackShard {
  readonly meta: PackMeta
  readonly pairCount: number
  readonly pairIds: readonly string[]
  /** [total]: every pair's [prompt | chosen | rejected], back to back */
  readonly tokenIds: Uint32Array
  /** [B,4] row-major: start, chosenStart, rejectedStart, end, absolute in tokenIds; of a verdict one response is empty */
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

/** A pack breaks its contract; the message names the shard, pair or tensor, and the mend. */
export class InvalidPack extends Error {
  readonly _tag = "InvalidPack"
}

const ID_BYTES = 32
const BOUNDS = 4
type Quad = [number, number, number, number]
const DIGEST = /^[0-9a-f]{64}$/
/** Of pairs alone, which readers of before took and which are written as they were; and with verdicts. */
const VERSIONS: readonly (string | undefined)[] = ["1", "2"]

/**
 * Writes a shard, pairs sorted by id. Throws InvalidPack on an unusable pair (empty part, bad id, non-finite number),
 * on repeated ids, on no pairs at all, or when only some pairs carry reference log-probs.
 */
export function encodeShard(pairs: Iterable<PackPair>, meta: PackMeta): Uint8Array<ArrayBuffer> {
  const sorted = [...pairs].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const hasReference = sorted.some((pair) => pair.referenceLogProbs !== undefined)
  const { snapshot, reference, tokenizer } = meta
  checkMeta(meta, hasReference)
  for (const pair of sorted) checkPair(pair, hasReference)
  const responseCount = sorted.reduce((sum, pair) => sum + pair.chosenIds.length + pair.rejectedIds.length, 0)
  const tokenCount = sorted.reduce((sum, pair) => sum + pair.promptIds.length, responseCount)
  const pairIds = new Uint8Array(sorted.length * ID_BYTES)
  const tokenIds = new Uint32Array(tokenCount)
  const bounds = new Uint32Array(sorted.length * BOUNDS)
  const logProbs = new Float32Array(hasReference ? responseCount : 0)
  let [token, response] = [0, 0]
  sorted.forEach((pair, index) => {
    pairIds.set(hexToBytes(pair.id), index * ID_BYTES)
    const chosenStart = token + pair.promptIds.length
    const rejectedStart = chosenStart + pair.chosenIds.length
    const end = rejectedStart + pair.rejectedIds.length
    bounds.set([token, chosenStart, rejectedStart, end], index * BOUNDS)
    tokenIds.set(pair.promptIds, token)
    tokenIds.set(pair.chosenIds, chosenStart)
    tokenIds.set(pair.rejectedIds, rejectedStart)
    if (pair.referenceLogProbs !== undefined) {
      logProbs.set(pair.referenceLogProbs.chosen, response)
      logProbs.set(pair.referenceLogProbs.rejected, response + pair.chosenIds.length)
    }
    token = end
    response += pair.chosenIds.length + pair.rejectedIds.length
  })
  const count = sorted.length
  const weights = Float32Array.from(sorted, (pair) => pair.weight ?? 1)
  const split = Uint8Array.from(sorted, (pair) => (pair.split === "held-out" ? 1 : 0))
  const tensors = [
    tensorOf("pair_ids", [count, ID_BYTES], pairIds),
    tensorOf("token_ids", [tokenCount], tokenIds),
    tensorOf("bounds", [count, BOUNDS], bounds),
    tensorOf("weights", [count], weights),
    tensorOf("split", [count], split),
  ]
  if (hasReference) tensors.push(tensorOf("reference_log_probs", [responseCount], logProbs))
  const hasVerdicts = sorted.some(({ chosenIds, rejectedIds }) => chosenIds.length * rejectedIds.length === 0)
  const version = hasVerdicts ? "2" : "1"
  const bytes = writeSafetensors(tensors, { format: "yohaku-pack-shard", version, snapshot, reference, tokenizer })
  decodeShard(bytes)
  return bytes
}

/** What typed arrays would swallow silently: ids that are no u32, log-probs of another length, an unknown split. */
function checkPair(pair: PackPair, hasReference: boolean): void {
  const fail = (fault: string): never => {
    throw new InvalidPack(`pair ${JSON.stringify(pair.id)} ${fault}`)
  }
  if (!DIGEST.test(pair.id)) fail("has no valid id; give the sha256 of the pair as 64 lower-case hex digits")
  for (const part of ["promptIds", "chosenIds", "rejectedIds"] as const) {
    const ids = pair[part]
    for (let index = 0; index < ids.length; index++) {
      if (ids[index]! >>> 0 !== ids[index]) fail(`has ${ids[index]} in ${part}; token ids are unsigned 32-bit integers`)
    }
  }
  if (pair.split !== "train" && pair.split !== "held-out")
    fail(`has split ${JSON.stringify(pair.split)}; use train or held-out`)
  const reference = pair.referenceLogProbs
  if ((reference !== undefined) !== hasReference)
    fail("differs from others in having reference log-probs; score all pairs or none")
  if (reference === undefined) return
  if (reference.chosen.length !== pair.chosenIds.length || reference.rejected.length !== pair.rejectedIds.length) {
    fail("has reference log-probs of another length than its responses; score it again")
  }
}

function checkMeta(meta: PackMeta, hasReference: boolean): void {
  for (const field of ["snapshot", "tokenizer"] as const) {
    if (!DIGEST.test(meta[field]))
      throw new InvalidPack(`metadata ${field} is no digest; give 64 lower-case hex digits`)
  }
  if (hasReference ? !DIGEST.test(meta.reference) : meta.reference !== "") {
    const mend = hasReference
      ? "give the fingerprint of the model that scored the pairs"
      : 'leave it "" in a shard without log-probs'
    throw new InvalidPack(`metadata reference ${JSON.stringify(meta.reference)} does not fit the shard; ${mend}`)
  }
}

/** Reads and validates a shard. Throws InvalidPack, nothing else. */
export function decodeShard(bytes: Uint8Array): PackShard {
  const { tensors, metadata } = readContainer(bytes)
  if (metadata.format !== "yohaku-pack-shard" || !VERSIONS.includes(metadata.version)) {
    throw new InvalidPack(
      "the file is no yohaku-pack-shard of version 1 or 2; start the run again, so that its pack is built by this version",
    )
  }
  const { snapshot = "", reference = "", tokenizer = "" } = metadata
  const meta = { snapshot, reference, tokenizer }
  const hasReference = tensors.has("reference_log_probs")
  checkMeta(meta, hasReference)
  const known = ["pair_ids", "token_ids", "bounds", "weights", "split", "reference_log_probs"]
  const unknown = [...tensors.keys()].find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new InvalidPack(`tensor ${JSON.stringify(unknown)} does not belong in a shard; remove it`)
  const pairCount = tensors.get("bounds")?.shape[0] ?? 0
  if (pairCount === 0) throw new InvalidPack("the shard holds no pairs; add at least one")
  const tokenIds = asUint32(expectTensor(tensors, "token_ids", "U32", [undefined]))
  const bounds = asUint32(expectTensor(tensors, "bounds", "U32", [pairCount, BOUNDS]))
  const responseOffsets = checkBounds(bounds, tokenIds.length, metadata.version === "2")
  const pairIds = readPairIds(expectTensor(tensors, "pair_ids", "U8", [pairCount, ID_BYTES]).data)
  const weights = asFloat32(expectTensor(tensors, "weights", "F32", [pairCount]))
  const split = expectTensor(tensors, "split", "U8", [pairCount]).data
  const badWeight = weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY))
  if (badWeight >= 0)
    throw new InvalidPack(`pair ${badWeight} has weight ${weights[badWeight]}; use a finite number ≥ 0`)
  const badSplit = split.findIndex((value) => value > 1)
  if (badSplit >= 0)
    throw new InvalidPack(`pair ${badSplit} has split ${split[badSplit]}; use 0 (train) or 1 (held-out)`)
  const shard = { meta, pairCount, pairIds, tokenIds, bounds, responseOffsets, weights, split }
  if (!hasReference) return shard
  const referenceLogProbs = asFloat32(
    expectTensor(tensors, "reference_log_probs", "F32", [responseOffsets[pairCount]!]),
  )
  const badLogProb = referenceLogProbs.findIndex((logProb) => !Number.isFinite(logProb))
  if (badLogProb >= 0) {
    throw new InvalidPack(`reference log-prob ${badLogProb} is ${referenceLogProbs[badLogProb]}; score the pair again`)
  }
  return { ...shard, referenceLogProbs }
}

/** Where in a shard's bytes its values begin, for readers that draw single pairs. */
export interface ShardOffsets {
  readonly pairIds: number
  readonly tokenIds: number
  /** Absent in a shard without log-probs. */
  readonly referenceLogProbs: number | undefined
}

/** Throws InvalidPack. */
export function shardOffsets(bytes: Uint8Array): ShardOffsets {
  const { tensors } = readContainer(bytes)
  const offsetOf = (name: string) => {
    const data = tensors.get(name)?.data
    return data && data.byteOffset - bytes.byteOffset
  }
  return {
    pairIds: offsetOf("pair_ids") ?? 0,
    tokenIds: offsetOf("token_ids") ?? 0,
    referenceLogProbs: offsetOf("reference_log_probs"),
  }
}

function readContainer(bytes: Uint8Array): ReturnType<typeof readSafetensors> {
  try {
    return readSafetensors(bytes)
  } catch (error) {
    throw new InvalidPack(`the shard is no valid safetensors file: ${(error as Error).message}`)
  }
}

function expectTensor(
  tensors: Map<string, Tensor>,
  name: string,
  dtype: SafetensorsDtype,
  shape: readonly (number | undefined)[],
): Tensor {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new InvalidPack(`tensor ${name} is missing; build the pack again`)
  const fits =
    tensor.shape.length === shape.length &&
    shape.every((size, axis) => size === undefined || tensor.shape[axis] === size)
  if (tensor.dtype === dtype && fits) return tensor
  const expected = shape.map((size) => size ?? "any")
  throw new InvalidPack(
    `tensor ${name} is ${tensor.dtype} [${tensor.shape}], expected ${dtype} [${expected}]; build the pack again`,
  )
}

/** Pairs lie back to back, each with a non-empty prompt and non-empty responses; verdicts with one. Gives the [B+1] response offsets. */
function checkBounds(bounds: Uint32Array, tokenCount: number, hasVerdicts: boolean): Uint32Array {
  const [pairCount, least] = [bounds.length / BOUNDS, hasVerdicts ? 0 : 1]
  const offsets = new Uint32Array(pairCount + 1)
  let previousEnd = 0
  for (let pair = 0; pair < pairCount; pair++) {
    const [start, chosenStart, rejectedStart, end] = bounds.subarray(
      pair * BOUNDS,
      (pair + 1) * BOUNDS,
    ) as unknown as Quad
    const isShort = rejectedStart < chosenStart + least || end < rejectedStart + least || end === chosenStart
    if (start !== previousEnd || chosenStart <= start || isShort) {
      throw new InvalidPack(
        `pair ${pair} has bounds ${start}, ${chosenStart}, ${rejectedStart}, ${end} after ${previousEnd}; prompt and responses need at least one token each, back to back`,
      )
    }
    offsets[pair + 1] = offsets[pair]! + (end - chosenStart)
    previousEnd = end
  }
  if (previousEnd !== tokenCount) {
    throw new InvalidPack(`bounds end at ${previousEnd}, token_ids at ${tokenCount}; build the pack again`)
  }
  return offsets
}

function readPairIds(bytes: Uint8Array): string[] {
  const ids: string[] = []
  for (let start = 0; start < bytes.length; start += ID_BYTES) {
    const id = bytesToHex(bytes.subarray(start, start + ID_BYTES))
    const previous = ids.at(-1)
    if (previous !== undefined && previous >= id) {
      throw new InvalidPack(
        `pair id ${id} is ${previous === id ? "there twice" : "out of order"}; keep each pair once, sorted by id`,
      )
    }
    ids.push(id)
  }
  return ids
}

/** One pair of a decoded shard as views (no copies). Throws RangeError outside [0, pairCount). */
export function shardPair(shard: PackShard, index: number): PackPair & { readonly weight: number } {
  const id = shard.pairIds[index]
  if (id === undefined) throw new RangeError(`the shard has pairs 0 to ${shard.pairCount - 1}, asked for ${index}`)
  const [start, chosenStart, rejectedStart, end] = shard.bounds.subarray(
    index * BOUNDS,
    (index + 1) * BOUNDS,
  ) as unknown as Quad
  const first = shard.responseOffsets[index]!
  const middle = first + (rejectedStart - chosenStart)
  const last = shard.responseOffsets[index + 1]!
  return {
    id,
    promptIds: shard.tokenIds.subarray(start, chosenStart),
    chosenIds: shard.tokenIds.subarray(chosenStart, rejectedStart),
    rejectedIds: shard.tokenIds.subarray(rejectedStart, end),
    referenceLogProbs: shard.referenceLogProbs && {
      chosen: shard.referenceLogProbs.subarray(first, middle),
      rejected: shard.referenceLogProbs.subarray(middle, last),
    },
    weight: shard.weights[index]!,
    split: shard.split[index] === 1 ? "held-out" : "train",
  }
}
