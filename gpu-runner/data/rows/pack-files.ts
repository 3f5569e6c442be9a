// A pack on disk: its manifest, and beside it its shards, each under its digest. So the runner's store of blobs keeps them.
import { existsSync, statSync } from "node:fs"
import path from "node:path"
import { decodeManifest, MOST_SHARD_BYTES, type PackManifest, readShards } from "#shared/wire/pack-manifest.ts"
import { InvalidPack, type PackShard, type ShardOffsets, shardOffsets } from "#shared/wire/pack-shard.ts"
import { readWholeFile, sha256 } from "../files.ts"

export interface PackFiles {
  readonly manifest: PackManifest
  /** The pack's name. */
  readonly digest: string
  readonly shardFile: (digest: string) => string
}

/** A manifest's file. Errors: InvalidPack. */
export function openPackFiles(manifestFile: string): PackFiles {
  const bytes = readWholeFile(manifestFile)
  const folder = path.dirname(manifestFile)
  return {
    manifest: decodeManifest(bytes),
    digest: sha256(bytes),
    shardFile: (digest) => path.join(folder, digest),
  }
}

export interface ShardOnDisk {
  readonly shard: PackShard
  readonly file: string
  readonly offsets: ShardOffsets
}

/** The shards one after the other, each held to the manifest; only one is in memory. Errors: InvalidPack. */
export async function* shardsOnDisk({ manifest, shardFile }: PackFiles): AsyncGenerator<ShardOnDisk> {
  let read: Uint8Array = new Uint8Array(0)
  const shards = readShards(manifest, async ({ digest }) => {
    const file = shardFile(digest)
    if (!existsSync(file)) return undefined
    const { size } = statSync(file)
    if (size > MOST_SHARD_BYTES) {
      throw new InvalidPack(
        `shard ${digest} has ${size} bytes, more than any; remove ${file}, so that it is fetched again`,
      )
    }
    read = readWholeFile(file)
    return read
  })
  let index = 0
  for await (const shard of shards) {
    yield { shard, file: shardFile(manifest.shards[index]!.digest), offsets: shardOffsets(read) }
    index += 1
  }
}
