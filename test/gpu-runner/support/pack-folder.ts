// A pack in a folder, as a runner's store of blobs holds it: the manifest and its shards, each under its digest.
import { writeFileSync } from "node:fs"
import path from "node:path"
import { sha256 } from "#gpu-runner/data/files.ts"
import { encodeManifest, entryOf, type PackProvenance, type ShardEntry } from "#shared/wire/pack-manifest.ts"
import { decodeShard, encodeShard, type PackMeta, type PackPair } from "#shared/wire/pack-shard.ts"

export interface PackFolderOptions {
  readonly pairsPerShard?: number
  /** What the manifest says of its shards instead. */
  readonly entries?: (entries: readonly ShardEntry[]) => readonly ShardEntry[]
  readonly provenance?: Partial<PackProvenance>
}

function store(folder: string, bytes: Uint8Array): string {
  const digest = sha256(bytes)
  writeFileSync(path.join(folder, digest), bytes)
  return digest
}

/** Writes a pack; returns the file of its manifest. */
export function writePackFolder(
  folder: string,
  pairs: readonly PackPair[],
  meta: PackMeta,
  { pairsPerShard = pairs.length, entries = (all) => all, provenance = {} }: PackFolderOptions = {},
): string {
  const sorted = pairs.toSorted((left, right) => (left.id < right.id ? -1 : 1))
  const shards: ShardEntry[] = []
  for (let at = 0; at < sorted.length; at += pairsPerShard) {
    const bytes = encodeShard(sorted.slice(at, at + pairsPerShard), meta)
    shards.push(entryOf(decodeShard(bytes), { digest: store(folder, bytes), bytes: bytes.length }))
  }
  const from = { dataset: "support", splitRule: 2, template: "", ...meta, ...provenance }
  return path.join(folder, store(folder, encodeManifest(from, entries(shards))))
}
