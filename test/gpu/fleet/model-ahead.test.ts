// Llama 3 8B as it is registered by digests, in shards: of its 16 GB a runner sees the heads, and plans with them before it fetches anything.
import path from "node:path"
import { afterAll, expect } from "vitest"
import { sha256 } from "#gpu-runner/data/files.ts"
import { readModelHeads } from "#gpu-runner/data/model/model-folder.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readSafetensorsHeader } from "#shared/formats/weights/safetensors.ts"
import { WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"
import type { PackPair } from "#shared/wire/pack-shard.ts"
import { writePackFolder } from "#test/gpu-runner/support/pack-folder.ts"
import { shardedHeads } from "#test/gpu-runner/support/sharded-heads.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { PUBLISHED } from "#test/shared/formats/families/published-configs.ts"
import { tokenizerConfigJson, tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import { softwareTest } from "../lanes.ts"
import { tinyRun } from "../trainer/tiny-run.ts"
import { JobWorld } from "./job-world.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const world = new JobWorld(workspace, await tinyRun(workspace, 4))

const FIELDS = PUBLISHED["Meta-Llama-3-8B"]!
const { shards, index } = shardedHeads(FIELDS, 4)
const documents: Readonly<Record<string, string>> = {
  "config.json": JSON.stringify(FIELDS),
  "tokenizer.json": JSON.stringify(tokenizerJson()),
  "tokenizer_config.json": JSON.stringify(tokenizerConfigJson),
  [WEIGHTS_INDEX]: index,
}
for (const [name, text] of Object.entries(documents)) workspace.write(`llama/${name}`, text)
const base: Record<string, string> = world.putFolder(workspace.at("llama"))
for (const { name, head, fileBytes, digest } of shards) {
  world.blobs.set(digest, head)
  world.sizes.set(digest, fileBytes)
  base[name] = digest
}
const weights = shards.map(({ digest }) => digest)

const heads = shards.map(({ name, head, fileBytes, digest }) => ({
  ...{ name, digest, tensors: readSafetensorsHeader(head, fileBytes).tensors },
}))
const { fingerprint, tokenizerDigest } = await readModelHeads(workspace.at("llama"), heads)

/** Pairs of a prompt of 100 tokens and two responses of 200: a row of 500. */
const pairs = Array.from({ length: 8 }, (_, pair): PackPair => {
  const ids = (count: number) => Uint32Array.from({ length: count }, (__, at) => (pair + at) % 256)
  const logProbs = () => new Float32Array(200).fill(-1)
  return {
    ...{ id: sha256(`pair ${pair}`), weight: 1, split: pair % 4 === 3 ? "held-out" : "train" },
    ...{ promptIds: ids(100), chosenIds: ids(200), rejectedIds: ids(200).reverse() },
    referenceLogProbs: { chosen: logProbs(), rejected: logProbs() },
  }
})
workspace.write("packs/none", "")
const pack = path.basename(
  writePackFolder(workspace.at("packs"), pairs, {
    ...{ snapshot: sha256("snapshot"), reference: fingerprint, tokenizer: tokenizerDigest },
  }),
)
world.putFolder(workspace.at("packs"))

/** A software adapter of a machine with so much memory, half of which may be taken. */
const machineOf = (context: OpContext, memoryBytes: number): OpContext => ({
  ...context,
  gpu: { ...context.gpu, lane: "software", memoryBytes },
})

const train = (context: OpContext, config: object) =>
  world.execute(context, {
    ...{ kind: "train", runId: "run", base, baseModel: "llama@1", pack },
    config: { method: "alpha-dpo", batch: 4, loraRank: 16, ...config },
  })

/** Parameters of Llama 3 8B, as its card counts them: of linear layers, of embedding and head, of norms. */
const [LINEARS, TABLES, NORMS] = [6_979_321_856, 2 * 525_336_576, 65 * 4096]
const ADAPTER = 41_943_040
const heldIn = (bitsOfLinears: number) => (LINEARS * bitsOfLinears) / 8 + 2 * TABLES + 4 * NORMS

softwareTest("scoring what this machine cannot hold is refused by the heads, with what would fit", async (context) => {
  const score = (precision: "stored" | "nf4", memoryBytes: number) =>
    world.execute(machineOf(context, memoryBytes), {
      ...{
        kind: "score",
        runId: "run",
        base,
        pack,
        pairs: 8,
        sheet: sha256("sheet"),
        precision,
        reference: fingerprint,
      },
    })
  expect(heldIn(16)).toBe(16_061_054_976)
  await expect(score("stored", 24e9)).rejects.toThrow(
    "the weights alone need 16.1 GB, and scoring may take 12.0 GB of the device; hold the base as int8 (9.52 GB) or nf4 (6.03 GB)",
  )
  await expect(score("stored", 18e9)).rejects.toThrow("9.00 GB of the device; hold the base as nf4 (6.03 GB)")
  await expect(score("stored", 10e9)).rejects.toThrow("5.00 GB of the device; score on a larger device")
  expect(world.fetched).not.toContain(weights[0])
  // What fits is fetched: here is nobody who has it.
  await expect(score("nf4", 24e9)).rejects.toThrow(
    `model-00001-of-00004.safetensors (${weights[0]}) is stored neither here`,
  )
})

softwareTest(
  "a run that does not fit is refused by the heads, and one that fits says what it will take",
  async (context) => {
    const machine = machineOf(context, 24e9)
    world.fetched.length = 0
    await expect(train(machine, {})).rejects.toThrow(
      /needs 17\.5 GB, 16\.9 GB of it for weights, gradients and moments, and the run may take 12\.0 GB; hold the base as baseWeights int8 \(10\.8 GB\) or nf4 \(7\.32 GB\)/,
    )
    expect(world.fetched).not.toContain(weights[0])
    expect(world.progress.map(({ message }) => message).join()).not.toContain("memory:")
    await expect(train(machine, { baseWeights: "nf4" })).rejects.toThrow("is stored neither here nor at the gateway")
    const told = world.progress.map(({ message }) => message).find((message) => message?.startsWith("memory:"))
    expect(told).toContain(
      `weights ${(heldIn(4.5) / 1e9).toFixed(2)} GB nf4, embedding and head bf16; adapter ${((16 * ADAPTER) / 1e6).toFixed(0)} MB with gradient and moments`,
    )
    expect(told).toMatch(/together 11\.5 GB of 12\.0 GB$/)
  },
)
