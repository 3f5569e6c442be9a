// The manifest of a pack: what it names is what its shards hold, and whatever does not agree is refused with the mend.
import { beforeAll, describe, expect, it } from "vitest"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import {
  decodeManifest,
  encodeManifest,
  entryOf,
  MOST_SHARD_BYTES,
  type PackManifest,
  type PackProvenance,
  readShard,
  readShards,
  type ShardEntry,
} from "#shared/wire/pack-manifest.ts"
import { decodeShard, encodeShard, InvalidPack, type PackMeta, type PackPair } from "#shared/wire/pack-shard.ts"

const idOf = (character: string) => character.repeat(64)
const meta: PackMeta = { snapshot: idOf("a"), reference: idOf("b"), tokenizer: idOf("c") }
const from: PackProvenance = { ...meta, dataset: "support", splitRule: 2, template: idOf("d") }

const pairOf = (id: string, split: PackPair["split"]): PackPair => ({
  ...{ id: idOf(id), promptIds: [1, 2], chosenIds: [3], rejectedIds: [4, 5], split },
  referenceLogProbs: { chosen: [-1], rejected: [-2, -3] },
})

const PAIRS: readonly (readonly PackPair[])[] = [
  [pairOf("1", "train"), pairOf("2", "held-out")],
  [pairOf("3", "train")],
]

let blobs: Map<string, Uint8Array>
let entries: ShardEntry[]
beforeAll(async () => {
  blobs = new Map()
  entries = []
  for (const pairs of PAIRS) {
    const bytes = encodeShard(pairs, meta)
    const digest = await sha256Hex(bytes)
    blobs.set(digest, bytes)
    entries.push(entryOf(decodeShard(bytes), { digest, bytes: bytes.length }))
  }
})

const manifestOf = (shards: readonly ShardEntry[] = entries) => decodeManifest(encodeManifest(from, shards))
const idsOf = async (manifest: PackManifest, stored = blobs) => {
  const ids: string[] = []
  for await (const { pairIds } of readShards(manifest, async ({ digest }) => stored.get(digest))) ids.push(...pairIds)
  return ids
}
const rewritten = (change: object) => new TextEncoder().encode(canonicalJson({ ...manifestOf(), ...change }))

const faultOf = async (work: () => unknown): Promise<string> => {
  const error = await Promise.resolve()
    .then(work)
    .then(
      () => undefined,
      (reason: unknown) => reason,
    )
  expect(error).toBeInstanceOf(InvalidPack)
  return (error as Error).message
}

describe("a pack's manifest", () => {
  it("counts what its shards hold and says where they come from", () => {
    expect(manifestOf()).toEqual({
      ...{ format: "yohaku-pack", version: 2, ...from, pairs: 3, heldOut: 1, tokens: 15, shards: entries },
    })
    expect(entries.map(({ pairs, heldOut, tokens }) => [pairs, heldOut, tokens])).toEqual([
      [2, 1, 10],
      [1, 0, 5],
    ])
  })

  it("has the same bytes for the same pack, and other bytes for every other", () => {
    const bytes = (of: PackProvenance, shards = entries) => new TextDecoder().decode(encodeManifest(of, shards))
    expect(bytes(from)).toBe(bytes({ ...from }))
    expect(bytes({ ...from, splitRule: 1 })).not.toBe(bytes(from))
    expect(bytes(from, entries.slice(0, 1))).not.toBe(bytes(from))
  })

  it("leads through all pairs in the order of their ids", async () => {
    expect(await idsOf(manifestOf())).toEqual([idOf("1"), idOf("2"), idOf("3")])
  })
})

describe("a manifest is refused", () => {
  it.each<[string, () => Uint8Array, RegExp]>([
    [
      "of another version",
      () => rewritten({ version: 4 }),
      /is of version 4, and this .* reads 2 and 3; .* one version/,
    ],
    ["whose verdicts are others", () => rewritten({ verdicts: 1 }), /says 1 verdicts and its shards' sum is 0; start/],
    ["of another format", () => rewritten({ format: "zip" }), /no manifest of a pack: its format is "zip"; .*again/],
    [
      "that is a pack of one file",
      () => encodeShard(PAIRS[0]!, meta),
      /no JSON object; a pack of one file is of an older/,
    ],
    ["without a field", () => rewritten({ dataset: undefined }), /damaged: .*dataset.*; start the run again/s],
    [
      "without shards",
      () => rewritten({ shards: [], pairs: 0, heldOut: 0, tokens: 0 }),
      /holds no pairs; add at least/,
    ],
    ["whose pairs are others than its shards'", () => rewritten({ pairs: 4 }), /says 4 pairs and its shards' sum is 3/],
    ["whose split is another", () => rewritten({ heldOut: 2 }), /says 2 heldOut and its shards' sum is 1; start/],
    ["whose tokens are others", () => rewritten({ tokens: 1 }), /says 1 tokens and its shards' sum is 15; start/],
    [
      "that names a shard twice",
      () => rewritten({ shards: [entries[0], entries[0]] }),
      /names a shard twice; start the run again/,
    ],
    [
      "whose shard is larger than a reader takes",
      () => rewritten({ shards: [{ ...entries[0]!, bytes: MOST_SHARD_BYTES + 1 }, entries[1]] }),
      /has 16777217 bytes, at most 16777216/,
    ],
    [
      "whose shard holds out more than it holds",
      () => rewritten({ shards: [{ ...entries[0]!, heldOut: 3 }, entries[1]] }),
      /said to hold 2 pairs, 3 held out/,
    ],
  ])("%s", async (_, bytes, fault) => {
    expect(await faultOf(() => decodeManifest(bytes()))).toMatch(fault)
  })
})

describe("a shard is refused", () => {
  const changed = (change: Partial<ShardEntry>) => manifestOf([{ ...entries[0]!, ...change }, entries[1]!])
  const first = () => blobs.get(entries[0]!.digest)!

  it("that is missing, by its place and name", async () => {
    const without = new Map([...blobs].slice(0, 1))
    expect(await faultOf(() => idsOf(manifestOf(), without))).toBe(
      `shard 2 of 2 (${entries[1]!.digest}) is missing; fetch the pack again, or start the run again where the store has lost it`,
    )
  })

  it("of another size", async () => {
    expect(await faultOf(() => readShard(manifestOf(), 0, first().subarray(1)))).toMatch(
      /^shard 1 of 2 .* has \d+ bytes, its manifest says \d+; remove the file, so that it is fetched again$/,
    )
  })

  it("of another digest", async () => {
    const bytes = first().slice()
    bytes[bytes.length - 1]! ^= 1
    expect(await faultOf(() => readShard(manifestOf(), 0, bytes))).toMatch(/has other content: .*; remove the file/)
  })

  it("whose counts are others than its manifest's", async () => {
    const { pairs, heldOut, tokens } = entries[0]!
    for (const change of [{ pairs: pairs + 1 }, { heldOut: heldOut - 1 }, { tokens: tokens + 1 }])
      expect(await faultOf(() => readShard(changed(change), 0, first()))).toMatch(
        /^shard 1 of 2 .* holds \d+ (pairs|heldOut|tokens), its manifest says \d+; start the run again$/,
      )
  })

  it("of another snapshot, reference or tokenizer", async () => {
    for (const field of ["snapshot", "reference", "tokenizer"] as const) {
      const other = decodeManifest(encodeManifest({ ...from, [field]: idOf("e") }, entries))
      expect(await faultOf(() => readShard(other, 0, first()))).toMatch(new RegExp(`is of ${field} .* of eeee`))
    }
  })

  it("that cannot be read, by its own fault", async () => {
    const garbage = new Uint8Array(64).fill(1)
    const entry = { ...entries[0]!, digest: await sha256Hex(garbage), bytes: 64 }
    expect(await faultOf(() => readShard(manifestOf([entry, entries[1]!]), 0, garbage))).toMatch(
      /^shard 1 of 2 .* cannot be used: the shard is no valid safetensors file/,
    )
  })

  it("whose pairs do not follow those of the shard before it", async () => {
    expect(await faultOf(() => idsOf(manifestOf(entries.toReversed())))).toMatch(
      /begins with pair 1111.* not follow 3333/,
    )
  })
})
