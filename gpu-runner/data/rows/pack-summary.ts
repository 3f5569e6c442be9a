// What is in a file of a pack, for people: of a manifest its counts, provenance and shards, of a shard its own; and a few pairs of either.
import { existsSync, statSync } from "node:fs"
import {
  decodeManifest,
  entryOf,
  MOST_MANIFEST_BYTES,
  type PackManifest,
  readShard,
} from "#shared/wire/pack-manifest.ts"
import { decodeShard, InvalidPack, type PackMeta, type PackShard, shardPair } from "#shared/wire/pack-shard.ts"
import { readWholeFile, sha256 } from "../files.ts"
import { openPackFiles } from "./pack-files.ts"
import { responseLogProb } from "./reference-file.ts"

export interface PackRowSummary {
  readonly id: string
  readonly split: string
  readonly weight: number
  readonly promptTokens: number
  readonly chosenTokens: number
  readonly rejectedTokens: number
  /** Sums of the reference's log-probs, nats; null in a pack without any. */
  readonly chosenLogProb: number | null
  readonly rejectedLogProb: number | null
}

interface Counts {
  readonly digest: string
  /** Of the file; of a manifest, of its shards together. */
  readonly bytes: number
  readonly pairs: number
  readonly train: number
  readonly heldOut: number
  readonly tokens: number
  /** Of `pairs`, rows of one response; absent where there are none. */
  readonly verdicts?: number
  /** The first pairs; none where the first shard is not on this machine. */
  readonly rows: readonly PackRowSummary[]
}

export type PackSummary =
  | (Counts & Omit<PackManifest, "format" | "version"> & { readonly kind: "manifest"; readonly shardsHere: number })
  | (Counts & PackMeta & { readonly kind: "shard" })

/** Reads a manifest, and its first shard where that lies beside it; or a shard. Errors: InvalidPack. */
export async function summaryOfPack(file: string, mostRows: number): Promise<PackSummary> {
  const { size } = statSync(file)
  if (size > MOST_MANIFEST_BYTES) {
    throw new InvalidPack(`${file} has ${size} bytes, more than any manifest or shard of a pack; give one of these`)
  }
  const bytes = readWholeFile(file)
  return bytes[0] === OPENING_BRACE ? summaryOfManifest(file, bytes, mostRows) : summaryOfShard(bytes, mostRows)
}

/** What JSON begins with, and no safetensors file of this size. */
const OPENING_BRACE = 0x7b

async function summaryOfManifest(file: string, bytes: Uint8Array, mostRows: number): Promise<PackSummary> {
  const { format: _, version: __, ...manifest } = decodeManifest(bytes)
  const { shardFile, digest, manifest: whole } = openPackFiles(file)
  const { shards, pairs, heldOut } = manifest
  const first = shardFile(shards[0]!.digest)
  const shard = existsSync(first) ? await readShard(whole, 0, readWholeFile(first)) : undefined
  return {
    ...{ kind: "manifest", digest, ...manifest, train: pairs - heldOut },
    bytes: shards.reduce((sum, { bytes: ofShard }) => sum + ofShard, 0),
    shardsHere: shards.filter((entry) => existsSync(shardFile(entry.digest))).length,
    rows: shard ? rowsOf(shard, mostRows) : [],
  }
}

function summaryOfShard(bytes: Uint8Array, mostRows: number): PackSummary {
  const shard = decodeShard(bytes)
  const { pairs, heldOut, tokens, digest, verdicts } = entryOf(shard, { digest: sha256(bytes), bytes: bytes.length })
  return {
    ...{ kind: "shard", digest, bytes: bytes.length, pairs, train: pairs - heldOut, heldOut, tokens },
    ...{ ...shard.meta, rows: rowsOf(shard, mostRows), ...(verdicts === undefined ? {} : { verdicts }) },
  }
}

function rowsOf(shard: PackShard, most: number): PackRowSummary[] {
  return Array.from({ length: Math.min(most, shard.pairCount) }, (_, index) => {
    const { id, split, weight, promptIds, chosenIds, rejectedIds, referenceLogProbs } = shardPair(shard, index)
    return {
      ...{ id, split, weight, promptTokens: promptIds.length },
      ...{ chosenTokens: chosenIds.length, rejectedTokens: rejectedIds.length },
      chosenLogProb: referenceLogProbs ? responseLogProb(referenceLogProbs.chosen).sum : null,
      rejectedLogProb: referenceLogProbs ? responseLogProb(referenceLogProbs.rejected).sum : null,
    }
  })
}
