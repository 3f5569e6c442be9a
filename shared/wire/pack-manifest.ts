// A pack: everything that a training run reads, as a manifest and the shards that it names. The manifest's own digest is the pack's name, and
// since it holds the shards' digests, it names every byte of them. Nobody has to hold more than one shard at a time.
import { Schema } from "effect"
import { Count } from "#shared/domain/bounds.ts"
import { Digest } from "#shared/domain/Files.ts"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { decodeShard, InvalidPack, type PackMeta, type PackShard, shardPair } from "./pack-shard.ts"

/** Most bytes of a shard: what a reader needs memory for. */
export const MOST_SHARD_BYTES = 16 * 1024 * 1024
/** Most bytes of a manifest: a hundred thousand shards. */
export const MOST_MANIFEST_BYTES = 32 * 1024 * 1024

const FORMAT = "yohaku-pack"
/** What readers of before took holds pairs alone, and is written as it was. */
const VERSIONS = { pairs: 2, withVerdicts: 3 } as const
const READ = Object.values(VERSIONS)

const DigestOrNone = Schema.Union([Digest, Schema.Literal("")])

const counts = {
  pairs: Count,
  /** Of `pairs`; the others are trained on. */
  heldOut: Count,
  /** Of prompts, each once, and both responses. */
  tokens: Count,
  /** Of `pairs`, verdicts: rows of one response. Absent: none. */
  verdicts: Schema.optionalKey(Count),
}

/** What a manifest says of a shard. */
export const ShardEntry = Schema.Struct({ digest: Digest, bytes: Count, ...counts })
export type ShardEntry = typeof ShardEntry.Type

/** Where a pack comes from. */
const provenance = {
  dataset: Schema.String,
  /** Digest of the snapshot. */
  snapshot: Digest,
  /** Of the rule by which prompts are held out (pair-identity.ts). */
  splitRule: Count,
  /** SHA-256 of tokenizer.json. */
  tokenizer: Digest,
  /** SHA-256 of the chat template; "" where the model has none. */
  template: DigestOrNone,
  /** Fingerprint of the model that scored the pairs; "" in a pack without log-probs. */
  reference: DigestOrNone,
}

export const PackManifest = Schema.Struct({
  format: Schema.Literal(FORMAT),
  version: Schema.Literals(READ),
  ...provenance,
  ...counts,
  /** In the order of their pairs' ids. */
  shards: Schema.Array(ShardEntry),
})
export type PackManifest = typeof PackManifest.Type

/** A manifest's provenance. */
export type PackProvenance = Omit<PackManifest, "format" | "version" | "shards" | keyof typeof counts>

/** How many of a shard's rows are verdicts: of one response. */
export function verdictsIn(shard: PackShard): number {
  let count = 0
  for (let index = 0; index < shard.pairCount; index++) {
    const { chosenIds, rejectedIds } = shardPair(shard, index)
    if (chosenIds.length === 0 || rejectedIds.length === 0) count += 1
  }
  return count
}

/** What the manifest says of a shard of these bytes. */
export function entryOf(shard: PackShard, { digest, bytes }: Pick<ShardEntry, "digest" | "bytes">): ShardEntry {
  const heldOut = shard.split.reduce((sum, isHeldOut) => sum + isHeldOut, 0)
  const verdicts = verdictsIn(shard)
  const counted = { digest, bytes, pairs: shard.pairCount, heldOut, tokens: shard.tokenIds.length }
  return verdicts === 0 ? counted : { ...counted, verdicts }
}

const total = (shards: readonly ShardEntry[], of: keyof typeof counts): number =>
  shards.reduce((sum, shard) => sum + (shard[of] ?? 0), 0)

/** Writes a manifest, its counts those of its shards. Throws InvalidPack. */
export function encodeManifest(from: PackProvenance, shards: readonly ShardEntry[]): Uint8Array<ArrayBuffer> {
  const [pairs, heldOut, tokens] = [total(shards, "pairs"), total(shards, "heldOut"), total(shards, "tokens")]
  const verdicts = total(shards, "verdicts")
  const version = verdicts === 0 ? VERSIONS.pairs : VERSIONS.withVerdicts
  const ofVerdicts = verdicts === 0 ? {} : { verdicts }
  const manifest: PackManifest = { format: FORMAT, version, ...from, pairs, heldOut, tokens, ...ofVerdicts, shards }
  const bytes = new TextEncoder().encode(canonicalJson(manifest)) as Uint8Array<ArrayBuffer>
  decodeManifest(bytes)
  return bytes
}

const decodeText = Schema.decodeUnknownSync(PackManifest)

/** Reads and validates a manifest. Throws InvalidPack, nothing else. */
export function decodeManifest(bytes: Uint8Array): PackManifest {
  if (bytes.length > MOST_MANIFEST_BYTES) {
    throw new InvalidPack(`the pack's manifest has ${bytes.length} bytes, at most ${MOST_MANIFEST_BYTES} are read`)
  }
  const written = parsed(bytes)
  if (written.format !== FORMAT) throw notAManifest(`its format is ${JSON.stringify(written.format)}`)
  if (!READ.some((version) => version === written.version)) {
    throw new InvalidPack(
      `the pack's manifest is of version ${JSON.stringify(written.version)}, and this version of Yohaku reads ${READ.join(" and ")}; bring runner and workers to one version and start the run again`,
    )
  }
  let manifest: PackManifest
  try {
    manifest = decodeText(written)
  } catch (error) {
    throw new InvalidPack(`the pack's manifest is damaged: ${(error as Error).message}; start the run again`)
  }
  checkCounts(manifest)
  return manifest
}

const notAManifest = (why: string) =>
  new InvalidPack(
    `the file is no manifest of a pack: ${why}; a pack of one file is of an older version of the workers: start the run again`,
  )

function parsed(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>
  } catch {
    // Said below.
  }
  throw notAManifest("it is no JSON object")
}

function checkCounts(manifest: PackManifest): void {
  const { shards } = manifest
  if (shards.length === 0) throw new InvalidPack("the pack holds no pairs; add at least one")
  for (const { digest, bytes, pairs, heldOut } of shards) {
    if (bytes > MOST_SHARD_BYTES) {
      throw new InvalidPack(`shard ${digest} has ${bytes} bytes, at most ${MOST_SHARD_BYTES} are read at once`)
    }
    if (pairs === 0 || heldOut > pairs) {
      throw new InvalidPack(`shard ${digest} is said to hold ${pairs} pairs, ${heldOut} held out; start the run again`)
    }
  }
  if (new Set(shards.map(({ digest }) => digest)).size < shards.length) {
    throw new InvalidPack("the pack's manifest names a shard twice; start the run again")
  }
  for (const what of ["pairs", "heldOut", "tokens", "verdicts"] as const) {
    const found = total(shards, what)
    if (found === (manifest[what] ?? 0)) continue
    throw new InvalidPack(
      `the pack's manifest says ${manifest[what]} ${what} and its shards' sum is ${found}; start the run again, so that it is written anew`,
    )
  }
}

const metaFields: readonly (keyof PackMeta)[] = ["snapshot", "reference", "tokenizer"]

/**
 * Reads the bytes of shard `index` and holds them to their manifest: size, digest, counts, provenance. Throws InvalidPack, which names
 * the shard and the mend.
 */
export async function readShard(manifest: PackManifest, index: number, bytes: Uint8Array): Promise<PackShard> {
  const entry = manifest.shards[index]!
  const name = `shard ${index + 1} of ${manifest.shards.length} (${entry.digest})`
  if (bytes.length !== entry.bytes) {
    throw new InvalidPack(
      `${name} has ${bytes.length} bytes, its manifest says ${entry.bytes}; remove the file, so that it is fetched again`,
    )
  }
  const digest = await sha256Hex(bytes)
  if (digest !== entry.digest) {
    throw new InvalidPack(
      `${name} has other content: its digest is ${digest}; remove the file, so that it is fetched again`,
    )
  }
  const shard = named(name, () => decodeShard(bytes))
  const found = entryOf(shard, entry)
  for (const what of ["pairs", "heldOut", "tokens"] as const) {
    if (found[what] === entry[what]) continue
    throw new InvalidPack(`${name} holds ${found[what]} ${what}, its manifest says ${entry[what]}; start the run again`)
  }
  const other = metaFields.find((field) => shard.meta[field] !== manifest[field])
  if (other === undefined) return shard
  throw new InvalidPack(
    `${name} is of ${other} ${shard.meta[other]}, its manifest of ${manifest[other]}; start the run again`,
  )
}

function named<A>(name: string, read: () => A): A {
  try {
    return read()
  } catch (error) {
    throw new InvalidPack(`${name} cannot be used: ${(error as Error).message}`)
  }
}

/** A shard is not where it should be. */
export const missingShard = (manifest: PackManifest, index: number): InvalidPack =>
  new InvalidPack(
    `shard ${index + 1} of ${manifest.shards.length} (${manifest.shards[index]!.digest}) is missing; fetch the pack again, or start the run again where the store has lost it`,
  )

/**
 * A pack's shards one after the other, each held to the manifest, their ids rising throughout. `bytesOf` gives a shard's bytes, undefined
 * where there is none. Rejects with InvalidPack, and with what `bytesOf` rejects with.
 */
export async function* readShards(
  manifest: PackManifest,
  bytesOf: (entry: ShardEntry) => Promise<Uint8Array | undefined>,
): AsyncGenerator<PackShard> {
  let last = ""
  for (const [index, entry] of manifest.shards.entries()) {
    const bytes = await bytesOf(entry)
    if (bytes === undefined) throw missingShard(manifest, index)
    const shard = await readShard(manifest, index, bytes)
    if (shard.pairIds[0]! <= last) {
      throw new InvalidPack(
        `shard ${entry.digest} begins with pair ${shard.pairIds[0]}, which does not follow ${last}, the last of the shard before it; start the run again`,
      )
    }
    last = shard.pairIds.at(-1)!
    yield shard
  }
}
