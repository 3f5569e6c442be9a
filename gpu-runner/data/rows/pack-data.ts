// A pack to the rows of a run, after checking that it belongs to the model at hand. One pass over its shards; the rows stay on disk.
import type { ReferencePrecision } from "#shared/formats/weights/reference-precision.ts"
import type { PackManifest } from "#shared/wire/pack-manifest.ts"
import { type PackShard, shardPair } from "#shared/wire/pack-shard.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import { PackMismatch } from "../errors.ts"
import { type NamedModel, precisionOfReference } from "../model/base-fingerprint.ts"
import type { ModelFolder } from "../model/model-folder.ts"
import { openPackFiles, shardsOnDisk } from "./pack-files.ts"
import { PackRows, type PlacedShard } from "./pack-rows.ts"
import { type RowShape, type Rows, rowPositions, type TokenRow } from "./token-rows.ts"

export interface PackData {
  readonly train: Rows
  readonly heldOut: Rows
  /** Dropped pairs by reason. */
  readonly dropped: Readonly<Record<string, number>>
  /** SHA-256 of the manifest: the pack's name. */
  readonly digest: string
  /** Fingerprint of the model that scored the pack; undefined without log-probs. */
  readonly referenceDigest: string | undefined
  /** In which precision it did; undefined where the log-probs are not read. */
  readonly referencePrecision: ReferencePrecision | undefined
}

export interface PackOptions {
  readonly kind: "pairs" | "responses"
  /** Tokens of a prompt and its longer response; longer rows are dropped, since packs cannot be cut again. */
  readonly maxLength: number
  /** False: the log-probs stay unread, and whose they are does not matter; true. */
  readonly readsReference?: boolean
}

/** What a pack is held to. */
export interface PackModel extends NamedModel, Pick<ModelFolder, "fingerprint"> {
  readonly config: Pick<ModelFolder["config"], "vocabularySize">
}

/**
 * Reads the pack of a manifest's file; its shards lie beside it. Errors: InvalidPack, PackMismatch (another tokenizer, another reference,
 * ids outside the vocabulary).
 */
export async function readPack(manifestFile: string, model: PackModel, options: PackOptions): Promise<PackData> {
  const files = openPackFiles(manifestFile)
  const { manifest, digest } = files
  const { readsReference = true } = options
  checkTokenizer(manifest, model)
  const referencePrecision = readsReference ? await precisionOf(manifest, model) : undefined
  const shards: PlacedShard[] = []
  const hasReference = readsReference && manifest.reference !== ""
  const rows: Record<Split, PackRows> = {
    train: new PackRows(shards, manifest.pairs - manifest.heldOut, hasReference),
    "held-out": new PackRows(shards, manifest.heldOut, hasReference),
  }
  const dropped: Record<string, number> = {}
  for await (const { shard, file, offsets } of shardsOnDisk(files)) {
    checkVocabulary(shard, model)
    shards.push({ file, offsets })
    for (let pair = 0; pair < shard.pairCount; pair++) placePair(shard, pair, shards.length - 1, options, rows, dropped)
  }
  const { train, "held-out": heldOut } = rows
  return {
    train,
    heldOut,
    dropped,
    digest,
    referenceDigest: hasReference ? manifest.reference : undefined,
    referencePrecision,
  }
}

function placePair(
  shard: PackShard,
  pair: number,
  shardNumber: number,
  options: PackOptions,
  rows: Readonly<Record<Split, PackRows>>,
  dropped: Record<string, number>,
): void {
  const { split, weight, promptIds, chosenIds, rejectedIds: rejected } = shardPair(shard, pair)
  // Held-out rows stay pairs whatever is trained: accuracy is a matter of pairs.
  const kind = split === "held-out" ? "pairs" : options.kind
  const rejectedIds = kind === "pairs" ? rejected : []
  const reason = dropReason({ weight, promptIds, chosenIds, rejectedIds }, kind, options.maxLength)
  if (reason !== undefined) {
    dropped[reason] = (dropped[reason] ?? 0) + 1
    return
  }
  rows[split].add({
    ...{ shard: shardNumber, pair, weight },
    firstToken: shard.bounds[4 * pair]!,
    firstResponse: shard.responseOffsets[pair]!,
    ...{ promptTokens: promptIds.length, chosenTokens: chosenIds.length, rejectedTokens: rejectedIds.length },
  })
}

interface ShapedPair extends RowShape {
  readonly weight: number
  readonly chosenIds: ArrayLike<number>
  readonly rejectedIds: ArrayLike<number>
}

function dropReason(row: ShapedPair, kind: PackOptions["kind"], maxLength: number): string | undefined {
  if (row.weight === 0) return "zero-weight"
  if (rowPositions(row) > maxLength) return "over-length"
  return kind === "pairs" && isSame(row.chosenIds, row.rejectedIds) ? "identical" : undefined
}

function isSame(left: ArrayLike<number>, right: ArrayLike<number>): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false
  return true
}

function checkTokenizer(manifest: PackManifest, model: PackModel): void {
  if (manifest.tokenizer !== model.tokenizerDigest) {
    throw new PackMismatch(
      `the pack was tokenised with tokenizer.json ${manifest.tokenizer.slice(0, 12)}…, the model's is ${model.tokenizerDigest.slice(0, 12)}…; build the pack with this model`,
    )
  }
}

/** The precision of this model in which the pack was scored; undefined without log-probs. */
async function precisionOf({ reference }: PackManifest, model: PackModel): Promise<ReferencePrecision | undefined> {
  if (reference === "") return undefined
  const precision = await precisionOfReference(model, reference)
  if (precision !== undefined) return precision
  throw new PackMismatch(
    `the pack's log-probs are of reference ${reference.slice(0, 12)}…, this model is ${model.fingerprint.slice(0, 12)}…: weights, tokenizer or template differ; score the pairs with this model`,
  )
}

function checkVocabulary({ tokenIds }: PackShard, { config: { vocabularySize } }: PackModel): void {
  const outside = tokenIds.find((id) => id >= vocabularySize)
  if (outside === undefined) return
  throw new PackMismatch(
    `the pack holds token id ${outside}, outside the model's vocabulary of ${vocabularySize}; build the pack with this model`,
  )
}

/** All pairs of a pack, in its order and in memory: what is to be scored is not chosen from. Errors: those of readPack. */
export async function readPackPairs(manifestFile: string, model: PackModel): Promise<TokenRow[]> {
  const files = openPackFiles(manifestFile)
  checkTokenizer(files.manifest, model)
  const rows: TokenRow[] = []
  for await (const { shard } of shardsOnDisk(files)) {
    checkVocabulary(shard, model)
    for (let pair = 0; pair < shard.pairCount; pair++) {
      const { id, weight, promptIds, chosenIds, rejectedIds } = shardPair(shard, pair)
      const ids = {
        promptIds: Uint32Array.from(promptIds),
        chosenIds: Uint32Array.from(chosenIds),
        rejectedIds: Uint32Array.from(rejectedIds),
      }
      rows.push({ id, weight, ...ids })
    }
  }
  return rows
}
