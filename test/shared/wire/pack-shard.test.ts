import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  asUint32,
  readSafetensors,
  type Tensor,
  tensorOf,
  writeSafetensors,
} from "#shared/formats/weights/safetensors.ts"
import { verdictsIn } from "#shared/wire/pack-manifest.ts"
import {
  decodeShard,
  encodeShard,
  InvalidPack,
  type PackMeta,
  type PackPair,
  shardPair,
} from "#shared/wire/pack-shard.ts"

const idOf = (character: string) => character.repeat(64)
const meta: PackMeta = { snapshot: idOf("a"), reference: idOf("b"), tokenizer: idOf("c") }

const pairs: PackPair[] = [
  {
    id: idOf("2"),
    promptIds: [7, 8],
    chosenIds: [9],
    rejectedIds: [10, 11, 4_000_000_000],
    referenceLogProbs: { chosen: [-0.5], rejected: [-1, -2, -3] },
    weight: 0.25,
    split: "held-out",
  },
  {
    id: idOf("1"),
    promptIds: [1],
    chosenIds: [2, 3],
    rejectedIds: [4],
    referenceLogProbs: { chosen: [-0.125, -0.25], rejected: [-4] },
    split: "train",
  },
]

/** The pack's tensors with some replaced (null removes one), written without any check of the pack's own. */
function tampered(changes: Record<string, Tensor | null>, metadata: Record<string, string> = {}): Uint8Array {
  const read = readSafetensors(encodeShard(pairs, meta))
  for (const [name, tensor] of Object.entries(changes)) {
    if (tensor === null) read.tensors.delete(name)
    else read.tensors.set(name, tensor)
  }
  return writeSafetensors(read.tensors.values(), { ...read.metadata, ...metadata })
}

describe("a pack", () => {
  it("holds pairs sorted by id, to the value", () => {
    const pack = decodeShard(encodeShard(pairs, meta))
    expect(pack.meta).toEqual(meta)
    expect(pack.pairIds).toEqual([idOf("1"), idOf("2")])
    expect([...pack.tokenIds]).toEqual([1, 2, 3, 4, 7, 8, 9, 10, 11, 4_000_000_000])
    expect([...pack.bounds]).toEqual([0, 1, 3, 4, 4, 6, 7, 10])
    expect([...pack.referenceLogProbs!]).toEqual([-0.125, -0.25, -4, -0.5, -1, -2, -3])
    expect([...pack.responseOffsets]).toEqual([0, 3, 7])
    expect([...pack.weights]).toEqual([1, 0.25])
    expect([...pack.split]).toEqual([0, 1])
  })

  it("gives each pair back as views", () => {
    const bytes = encodeShard(pairs, meta)
    const pair = shardPair(decodeShard(bytes), 1)
    expect(pair.id).toBe(idOf("2"))
    expect([...(pair.promptIds as Uint32Array)]).toEqual([7, 8])
    expect([...(pair.chosenIds as Uint32Array)]).toEqual([9])
    expect([...(pair.rejectedIds as Uint32Array)]).toEqual([10, 11, 4_000_000_000])
    expect([...(pair.referenceLogProbs!.chosen as Float32Array)]).toEqual([-0.5])
    expect([...(pair.referenceLogProbs!.rejected as Float32Array)]).toEqual([-1, -2, -3])
    expect(pair).toMatchObject({ weight: 0.25, split: "held-out" })
    expect((pair.promptIds as Uint32Array).buffer).toBe(bytes.buffer)
    expect(() => shardPair(decodeShard(bytes), 2)).toThrow(RangeError)
  })

  it("has bytes that depend on the set of pairs, not on their order", () => {
    expect(encodeShard([...pairs].reverse(), meta)).toEqual(encodeShard(pairs, meta))
  })

  it("does without reference log-probs", () => {
    const free = pairs.map(({ referenceLogProbs: _dropped, ...pair }) => pair)
    const pack = decodeShard(encodeShard(free, { ...meta, reference: "" }))
    expect(pack.referenceLogProbs).toBeUndefined()
    expect(shardPair(pack, 0).referenceLogProbs).toBeUndefined()
    expect([...pack.responseOffsets]).toEqual([0, 3, 7])
  })

  it("is read back as it was written, for any pairs", () => {
    const ids = (minLength: number) => fc.array(fc.nat({ max: 2 ** 32 - 1 }), { minLength, maxLength: 6 })
    const logProbs = (length: number) =>
      fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: length, maxLength: length })
    const pair = fc
      .record({ id: fc.stringMatching(/^[0-9a-f]{64}$/), promptIds: ids(1), chosenIds: ids(1), rejectedIds: ids(1) })
      .chain((tokens) =>
        fc.record({
          ...(Object.fromEntries(Object.entries(tokens).map(([key, value]) => [key, fc.constant(value)])) as {
            [K in keyof typeof tokens]: fc.Arbitrary<(typeof tokens)[K]>
          }),
          referenceLogProbs: fc.record({
            chosen: logProbs(tokens.chosenIds.length),
            rejected: logProbs(tokens.rejectedIds.length),
          }),
          weight: fc.float({ min: 0, max: 100, noNaN: true }),
          split: fc.constantFrom("train" as const, "held-out" as const),
        }),
      )
    fc.assert(
      fc.property(fc.uniqueArray(pair, { selector: ({ id }) => id, minLength: 1, maxLength: 5 }), (written) => {
        const pack = decodeShard(encodeShard(written, meta))
        const read = Array.from({ length: pack.pairCount }, (_, index) => shardPair(pack, index))
        const plain = read.map((entry) => ({
          ...entry,
          promptIds: Array.from(entry.promptIds),
          chosenIds: Array.from(entry.chosenIds),
          rejectedIds: Array.from(entry.rejectedIds),
          referenceLogProbs: {
            chosen: Array.from(entry.referenceLogProbs!.chosen),
            rejected: Array.from(entry.referenceLogProbs!.rejected),
          },
        }))
        expect(plain).toEqual([...written].sort((a, b) => (a.id < b.id ? -1 : 1)))
      }),
      { numRuns: 60 },
    )
  })

  it("meets any damage to its bytes with InvalidPack or a valid pack, never another error", () => {
    const original = encodeShard(pairs, meta)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: original.length - 1 }), fc.nat({ max: 255 })), { minLength: 1 }),
        (damage) => {
          const bytes = original.slice()
          for (const [at, to] of damage) bytes[at] = to
          try {
            decodeShard(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidPack)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

it("holds verdicts beside pairs: rows of one response, counted, in a version of their own", () => {
  const side = { chosenIds: [], rejectedIds: [5, 6], referenceLogProbs: { chosen: [], rejected: [-1, -2] } }
  const down: PackPair = { ...{ id: idOf("3"), promptIds: [1], split: "train" }, ...side }
  const up: PackPair = {
    ...{ id: idOf("0"), promptIds: [1], chosenIds: [2], rejectedIds: [], split: "train" },
    referenceLogProbs: { chosen: [-3], rejected: [] },
  }
  const bytes = encodeShard([...pairs, up, down], meta)
  expect(readSafetensors(bytes).metadata.version).toBe("2")
  expect(readSafetensors(encodeShard(pairs, meta)).metadata.version).toBe("1")
  const shard = decodeShard(bytes)
  expect(verdictsIn(shard)).toBe(2)
  expect([...shard.bounds]).toEqual([0, 1, 2, 2, 2, 3, 5, 6, 6, 8, 9, 12, 12, 13, 13, 15])
  const none = new Uint32Array(0)
  expect(shardPair(shard, 0)).toMatchObject({ chosenIds: Uint32Array.of(2), rejectedIds: none })
  expect(shardPair(shard, 3)).toMatchObject({
    ...{ chosenIds: none, rejectedIds: Uint32Array.of(5, 6) },
    referenceLogProbs: { chosen: new Float32Array(0), rejected: Float32Array.of(-1, -2) },
  })
})

describe("encoding a pack refuses", () => {
  const first = pairs[0]!
  const cases: [string, PackPair[], Partial<PackMeta>, string][] = [
    ["no pairs", [], { reference: "" }, "no pairs"],
    ["the same pair twice", [first, first], {}, "there twice"],
    ["an id that is no digest", [{ ...first, id: "x" }], {}, "sha256"],
    ["an empty prompt", [{ ...first, promptIds: [] }], {}, "at least one token"],
    [
      "two empty responses",
      [{ ...first, chosenIds: [], rejectedIds: [], referenceLogProbs: { chosen: [], rejected: [] } }],
      {},
      "at least one token",
    ],
    ["a negative token id", [{ ...first, promptIds: [-1] }], {}, "unsigned"],
    ["a fractional token id", [{ ...first, rejectedIds: [1, 2, 0.5] }], {}, "unsigned"],
    ["a token id over 32 bits", [{ ...first, chosenIds: [2 ** 32] }], {}, "unsigned"],
    [
      "log-probs of another length",
      [{ ...first, referenceLogProbs: { chosen: [-1], rejected: [-1] } }],
      {},
      "another length",
    ],
    [
      "a log-prob that is not finite",
      [{ ...first, referenceLogProbs: { chosen: [Number.NaN], rejected: [-1, -1, -1] } }],
      {},
      "is NaN",
    ],
    ["log-probs on some pairs only", [first, { ...pairs[1]!, referenceLogProbs: undefined }], {}, "all pairs or none"],
    ["a negative weight", [{ ...first, weight: -1 }], {}, "weight -1"],
    ["an unknown split", [{ ...first, split: "test" as never }], {}, "held-out"],
    ["log-probs without a fingerprint", [first], { reference: "" }, "fingerprint"],
    ["a fingerprint without log-probs", [{ ...first, referenceLogProbs: undefined }], {}, "without log-probs"],
    ["a snapshot that is no digest", [first], { snapshot: "latest" }, "snapshot"],
  ]
  it.each(cases)("%s", (_name, given, change, message) => {
    expect(() => encodeShard(given, { ...meta, ...change })).toThrow(InvalidPack)
    expect(() => encodeShard(given, { ...meta, ...change })).toThrow(message)
  })
})

describe("decoding a pack refuses", () => {
  const bounds = (...values: number[]) => tensorOf("bounds", [2, 4], Uint32Array.from(values))
  const original = readSafetensors(encodeShard(pairs, meta)).tensors
  const cases: [string, () => Uint8Array, string][] = [
    ["a file that is no safetensors", () => new Uint8Array(3), "no valid safetensors"],
    ["another format", () => tampered({}, { format: "pt" }), "no yohaku-pack"],
    ["another version", () => tampered({}, { version: "3" }), "version 1 or 2"],
    ["a missing tensor", () => tampered({ weights: null }), "weights is missing"],
    ["an unknown tensor", () => tampered({ extra: tensorOf("extra", [1], Uint8Array.of(1)) }), "extra"],
    ["a tensor of another dtype", () => tampered({ weights: tensorOf("weights", [2], Int32Array.of(1, 1)) }), "is I32"],
    [
      "a tensor of another length",
      () => tampered({ split: tensorOf("split", [1], Uint8Array.of(0)) }),
      "split is U8 [1]",
    ],
    ["bounds that do not start at 0", () => tampered({ bounds: bounds(1, 2, 3, 4, 4, 6, 7, 10) }), "pair 0 has bounds"],
    ["bounds with a gap", () => tampered({ bounds: bounds(0, 1, 2, 3, 4, 6, 7, 10) }), "pair 1 has bounds"],
    [
      "bounds without a response, in a shard of pairs",
      () => tampered({ bounds: bounds(0, 1, 1, 4, 4, 6, 7, 10) }),
      "pair 0",
    ],
    ["bounds without a prompt", () => tampered({ bounds: bounds(0, 0, 3, 4, 4, 6, 7, 10) }), "pair 0 has bounds"],
    ["bounds past the tokens", () => tampered({ bounds: bounds(0, 1, 3, 4, 4, 6, 7, 11) }), "end at 11"],
    [
      "too few log-probs",
      () => tampered({ reference_log_probs: tensorOf("reference_log_probs", [6], new Float32Array(6)) }),
      "[6], expected F32 [7]",
    ],
    [
      "an infinite log-prob",
      () =>
        tampered({ reference_log_probs: tensorOf("reference_log_probs", [7], new Float32Array(7).fill(-Infinity)) }),
      "is -Infinity",
    ],
    [
      "ids out of order",
      () => {
        const ids = original.get("pair_ids")!.data
        const swapped = Uint8Array.from([...ids.subarray(32), ...ids.subarray(0, 32)])
        return tampered({ pair_ids: tensorOf("pair_ids", [2, 32], swapped) })
      },
      "out of order",
    ],
  ]
  it.each(cases)("%s", (_name, bytes, message) => {
    expect(() => decodeShard(bytes())).toThrow(InvalidPack)
    expect(() => decodeShard(bytes())).toThrow(message)
  })

  it("stores what the contract names, under those names", () => {
    expect([...asUint32(original.get("token_ids")!)].length).toBe(10)
    expect([...original.values()].map(({ name, dtype, shape }) => `${name} ${dtype} [${shape}]`)).toEqual([
      "bounds U32 [2,4]",
      "reference_log_probs F32 [7]",
      "token_ids U32 [10]",
      "weights F32 [2]",
      "pair_ids U8 [2,32]",
      "split U8 [2]",
    ])
  })
})
