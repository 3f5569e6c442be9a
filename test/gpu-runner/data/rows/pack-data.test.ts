// Rows of a pack, on disk in shards: those that one reader of everything would have in memory, in the same order, in every epoch.
import { createHash } from "node:crypto"
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readPack } from "#gpu-runner/data/rows/pack-data.ts"
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import { countReferences, mostPositions, type Rows, shapesOf, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { stepOrder } from "#gpu-runner/trainer/rows/step-order.ts"
import { decodeManifest } from "#shared/wire/pack-manifest.ts"
import { InvalidPack, type PackMeta, type PackPair } from "#shared/wire/pack-shard.ts"
import { writePackFolder } from "../../support/pack-folder.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = await readModelFolder(writeTinyModel(workspace))
const meta: PackMeta = { snapshot: "5".repeat(64), reference: model.fingerprint, tokenizer: model.tokenizerDigest }
const options = { kind: "pairs", maxLength: 64 } as const

const digestOf = (index: number) => createHash("sha256").update(String(index)).digest("hex")
const ids = (length: number, from: number) => Array.from({ length }, (_, index) => (from + index) % 100)

/** Every fourth is held out. */
const pairs = Array.from({ length: 203 }, (_, index): PackPair => {
  const [chosen, rejected] = [1 + (index % 5), 2 + (index % 3)]
  const logProbs = (count: number) => Float32Array.from({ length: count }, (__, at) => -0.1 * (index + at) - 0.37)
  return {
    id: digestOf(index),
    ...{ promptIds: ids(1 + (index % 7), index), chosenIds: ids(chosen, index + 1), rejectedIds: ids(rejected, index) },
    referenceLogProbs: { chosen: logProbs(chosen), rejected: logProbs(rejected) },
    ...{ weight: 1 + (index % 2), split: index % 4 === 3 ? "held-out" : "train" },
  }
})

/** The first rows of the first epoch under seed 7. */
const GOLDEN_ORDER = ["dbb1ded6", "d2f48367", "89aa1e58", "be47addb", "c837649c", "785f3ec7"]

let packs = 0
const packOf = (some: readonly PackPair[] = pairs, pairsPerShard = 40) => {
  const folder = path.dirname(workspace.write(`packs/${packs++}/none`, ""))
  return writePackFolder(folder, some, meta, { pairsPerShard })
}

/** As the whole pack was read before there were shards: every row an object of its own, in the order of ids. */
const inMemory = (split: PackPair["split"]): TokenRow[] =>
  pairs
    .filter((pair) => pair.split === split)
    .toSorted((left, right) => (left.id < right.id ? -1 : 1))
    .map(({ id, weight, promptIds, chosenIds, rejectedIds, referenceLogProbs }): TokenRow => {
      const scored = (logProbs: ArrayLike<number>) => ({
        ...responseLogProb(logProbs),
        logProbs: Float32Array.from(logProbs),
      })
      return {
        ...{ id, weight: weight ?? 1, promptIds: Uint32Array.from(promptIds) },
        ...{ chosenIds: Uint32Array.from(chosenIds), rejectedIds: Uint32Array.from(rejectedIds) },
        reference: { chosen: scored(referenceLogProbs!.chosen), rejected: scored(referenceLogProbs!.rejected) },
      }
    })

const drawn = (rows: Rows) => Array.from({ length: rows.length }, (_, index) => rows.at(index)!)

describe("rows of a pack", () => {
  test.each([1, 7, 40, 1000])(
    "are the same in shards of %i pairs, passed over or drawn one by one",
    async (perShard) => {
      const { train, heldOut, dropped, referenceDigest } = await readPack(packOf(pairs, perShard), model, options)
      expect([...train]).toEqual(inMemory("train"))
      expect(drawn(train)).toEqual(inMemory("train"))
      expect([...heldOut]).toEqual(inMemory("held-out"))
      expect([dropped, referenceDigest]).toEqual([{}, model.fingerprint])
    },
  )

  test("are drawn in every epoch in the order in which rows in memory are", async () => {
    const { train } = await readPack(packOf(), model, options)
    const whole = inMemory("train")
    const order = stepOrder({ rowCount: train.length, batch: 32, epochs: 3, maxSteps: 0, shuffle: true, seed: 7 })
    expect(train.length).toBe(whole.length)
    for (let step = 0; step < order.stepCount; step++) {
      const rows = Array.from(order.rowsOf(step))
      expect(rows.map((row) => train.at(row)!)).toEqual(rows.map((row) => whole[row]!))
    }
    // The order itself, as it was before there were shards.
    expect(Array.from(order.rowsOf(0).subarray(0, 6), (row) => train.at(row)!.id.slice(0, 8))).toEqual(GOLDEN_ORDER)
  })

  test("tell their lengths, their longest and their references without being read", async () => {
    const manifest = packOf()
    const { train } = await readPack(manifest, model, options)
    const shapes = (rows: Rows) =>
      Array.from(shapesOf(rows), (row) => [row.promptIds.length, row.chosenIds.length, row.rejectedIds.length])
    for (const { digest } of decodeManifest(readFileSync(manifest)).shards) {
      rmSync(path.join(path.dirname(manifest), digest))
    }
    expect(shapes(train)).toEqual(shapes(inMemory("train")))
    expect(mostPositions(train)).toBe(mostPositions(inMemory("train")))
    expect(countReferences(train)).toBe(train.length)
    expect(() => train.at(0)).toThrow(/ENOENT/)
    expect([train.at(-1), train.at(train.length), train.at(0.5 + train.length)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  test("of responses have no rejected one, but for those that are held out", async () => {
    const { train, heldOut } = await readPack(packOf(), model, { ...options, kind: "responses" })
    expect([...train].every(({ rejectedIds }) => rejectedIds.length === 0)).toBe(true)
    expect([...train].map(({ reference }) => reference!.chosen)).toEqual(
      inMemory("train").map(({ reference }) => reference!.chosen),
    )
    expect([...heldOut]).toEqual(inMemory("held-out"))
  })

  test("may be verdicts: labelled rows where those are read, the desirable ones where responses are, and counted where pairs are", async () => {
    const one = { promptIds: [1, 2], weight: 1, split: "train" as const }
    const verdicts: PackPair[] = [
      {
        ...{ ...one, id: digestOf(1000), chosenIds: [3, 4], rejectedIds: [] },
        referenceLogProbs: { chosen: [-1, -2], rejected: [] },
      },
      {
        ...{ ...one, id: digestOf(1001), chosenIds: [], rejectedIds: [5, 6, 7] },
        referenceLogProbs: { chosen: [], rejected: [-3, -4, -5] },
      },
    ]
    const manifest = packOf([...pairs, ...verdicts])
    const read = async (kind: "pairs" | "unpaired" | "responses") => {
      const { train, dropped } = await readPack(manifest, model, { ...options, kind })
      const row = (id: string) => [...train].find((each) => each.id === id)
      return { dropped, count: train.length, up: row(digestOf(1000)), down: row(digestOf(1001)) }
    }
    const usual = inMemory("train").length
    expect(await read("pairs")).toEqual({ dropped: { verdict: 2 }, count: usual })
    expect(await read("responses")).toMatchObject({ dropped: { unwanted: 1 }, count: usual + 1, up: { weight: 1 } })
    const { dropped, count, up, down } = await read("unpaired")
    expect([dropped, count]).toEqual([{}, usual + 2])
    expect(up).toMatchObject({ label: true, chosenIds: Uint32Array.of(3, 4), rejectedIds: Uint32Array.of() })
    expect(down).toMatchObject({ label: false, chosenIds: Uint32Array.of(5, 6, 7), rejectedIds: Uint32Array.of() })
    expect(down!.reference!.chosen).toMatchObject({ logProbs: Float32Array.of(-3, -4, -5) })
  })

  test("are dropped and counted where they have no weight, are too long, or compare equal responses", async () => {
    const [first, second, third, ...others] = pairs
    const changed = [
      { ...first!, weight: 0 },
      { ...second!, promptIds: ids(64, 0) },
      {
        ...third!,
        rejectedIds: third!.chosenIds,
        referenceLogProbs: { ...third!.referenceLogProbs!, rejected: third!.referenceLogProbs!.chosen },
      },
      ...others,
    ]
    const { train, dropped } = await readPack(packOf(changed), model, options)
    expect(dropped).toEqual({ "zero-weight": 1, "over-length": 1, identical: 1 })
    expect(train.length).toBe(inMemory("train").length - 3)
  })
})

describe("a pack on disk is refused", () => {
  const firstShard = (manifest: string) =>
    path.join(path.dirname(manifest), decodeManifest(readFileSync(manifest)).shards[0]!.digest)
  const spoilt = async (spoil: (shard: string) => void) => {
    const manifest = packOf()
    spoil(firstShard(manifest))
    return readPack(manifest, model, options)
  }

  test("where a shard is missing", async () => {
    await expect(spoilt((shard) => rmSync(shard))).rejects.toThrow(
      /^shard 1 of 6 \(.*\) is missing; fetch the pack again/,
    )
  })

  test("where a shard was cut", async () => {
    const cut = spoilt((shard) => truncateSync(shard, 100))
    await expect(cut).rejects.toThrow(InvalidPack)
    await expect(cut).rejects.toThrow(/^shard 1 of 6 .* has 100 bytes, its manifest says .*; remove the file/)
  })

  test("where a byte of a shard is another", async () => {
    const flipped = spoilt((shard) => {
      const bytes = readFileSync(shard)
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(shard, bytes)
    })
    await expect(flipped).rejects.toThrow(/^shard 1 of 6 .* has other content/)
  })

  test("where a token is outside the model's vocabulary", async () => {
    const outside = model.config.vocabularySize
    const [first, ...others] = pairs
    const spoiltPair = { ...first!, promptIds: [outside] }
    await expect(readPack(packOf([spoiltPair, ...others]), model, options)).rejects.toThrow(
      `the pack holds token id ${outside}, outside the model's vocabulary of ${outside}`,
    )
  })
})
