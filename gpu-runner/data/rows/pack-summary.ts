// What is in a file of a pack, for people: of a manifest its counts, provenance and shards, of a shard its own; and a few pairs of either.
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs"
import path from "node:path"
import { isDigest } from "#shared/domain/Files.ts"
import {
  decodeManifest,
  entryOf,
  MOST_MANIFEST_BYTES,
  type PackManifest,
  readShard,
} from "#shared/wire/pack-manifest.ts"
import { decodeShard, InvalidPack, type PackMeta, type PackShard, shardPair } from "#shared/wire/pack-shard.ts"
import { readWholeFile, sha256 } from "../files.ts"
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

/** Stands at the beginning of every manifest, shard, and pack of an older version. */
const MARK = "yohaku-pack"
export const MARKED_BYTES = 4096

/** What JSON begins with, and no shard: its header is padded to a multiple of 8 bytes, and their number comes first. */
const OPENING_BRACE = 0x7b

/** What a file of a pack says at its beginning that it is, whole or damaged, of this version or another; undefined of any other file. */
export function kindOfPackFile(file: string): PackSummary["kind"] | undefined {
  const descriptor = openSync(file, "r")
  try {
    const bytes = Buffer.alloc(MARKED_BYTES)
    return kindOfStart(bytes.subarray(0, readSync(descriptor, bytes)))
  } finally {
    closeSync(descriptor)
  }
}

/** The same of a file's first MARKED_BYTES, or of all that it has. */
export function kindOfStart(start: Uint8Array): PackSummary["kind"] | undefined {
  if (!Buffer.from(start.buffer, start.byteOffset, start.byteLength).includes(MARK)) return undefined
  return start[0] === OPENING_BRACE ? "manifest" : "shard"
}

/** What is said of any other file. */
export const noPack = (file: string): InvalidPack =>
  new InvalidPack(
    `${file} is neither a manifest nor a shard of a pack; give the digest that a run tells (detail.pack.digest), or the file of that name among a runner's blobs. What a data file holds is said by \`yohaku data check\``,
  )

/**
 * Reads a manifest, and its first shard where that is on this machine; or a shard. Shards are looked for beside the manifest, then in `folders`.
 * Errors: InvalidPack.
 */
export async function summaryOfPack(
  file: string,
  mostRows: number,
  folders: readonly string[] = [],
): Promise<PackSummary> {
  const kind = kindOfPackFile(file)
  if (kind === undefined) throw noPack(file)
  const { size } = statSync(file)
  if (size > MOST_MANIFEST_BYTES) {
    throw new InvalidPack(`${file} has ${size} bytes, more than any manifest or shard of a pack; start the run again`)
  }
  const bytes = readWholeFile(file)
  const name = path.basename(file)
  const digest = sha256(bytes)
  if (isDigest(name) && name !== digest)
    throw new InvalidPack(
      `${file} is damaged: its digest is ${digest}; remove it, so that it is fetched again, by a runner or with --url`,
    )
  return kind === "manifest"
    ? summaryOfManifest(bytes, digest, mostRows, [path.dirname(file), ...folders])
    : summaryOfShard(bytes, digest, mostRows)
}

async function summaryOfManifest(
  bytes: Uint8Array,
  digest: string,
  mostRows: number,
  folders: readonly string[],
): Promise<PackSummary> {
  const whole = decodeManifest(bytes)
  const { format: _, version: __, ...manifest } = whole
  const { shards, pairs, heldOut } = manifest
  const here = shards.map((shard) => folders.map((folder) => path.join(folder, shard.digest)).find(existsSync))
  const shard = here[0] === undefined ? undefined : await readShard(whole, 0, readWholeFile(here[0]))
  return {
    ...{ kind: "manifest", digest, ...manifest, train: pairs - heldOut },
    bytes: shards.reduce((sum, { bytes: ofShard }) => sum + ofShard, 0),
    shardsHere: here.filter((file) => file !== undefined).length,
    rows: shard ? rowsOf(shard, mostRows) : [],
  }
}

function summaryOfShard(bytes: Uint8Array, digest: string, mostRows: number): PackSummary {
  const shard = decodeShard(bytes)
  const { pairs, heldOut, tokens, verdicts } = entryOf(shard, { digest, bytes: bytes.length })
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
