// A run from its trigger to a promoted adapter, over real objects and stores; and every way in which a run ends otherwise. Over 300 lines: all of them.
import { beforeEach, describe, expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import { encodeEvaluation } from "#shared/wire/evaluation.ts"
import { decodeManifest, MOST_SHARD_BYTES } from "#shared/wire/pack-manifest.ts"
import type { ChannelMove } from "#workers/orchestrator/Environment.ts"
import { complete, LEARNED, lease, leaseNext, makeAdapter, pairsOfPack, work } from "./test-runner.ts"
import {
  addPairs,
  baseFiles,
  bindings,
  channelsNow,
  DATASET,
  failedGates,
  finished,
  inWorkflowRun,
  lengthenPairs,
  orchestrator,
  putBlob,
  readBlob,
  startWorld,
  TEMPLATE,
  triggerOnce,
  valueIn,
} from "./world.ts"

beforeEach(() => startWorld())

describe("a run of Retrain", () => {
  it("freezes, scores, packs, trains, evaluates and promotes", async () => {
    const ids = await addPairs(0, 200)
    const runId = await triggerOnce("first")
    expect(await work(2)).toEqual([`${runId}-train`, `${runId}-evaluate`])
    const run = await finished(runId)
    expect(run).toMatchObject({ status: "succeeded", step: "done", trigger: "api", method: "alpha-dpo" })
    expect(run.detail.snapshot).toMatchObject({ trainPairs: 150, heldOutPairs: 50, splitRule: 2 })
    expect(run.detail.score).toEqual({ computed: 400, fromCache: 0 })
    const { digest } = run.detail.pack!
    expect((await pairsOfPack(digest)).map(({ id }) => id)).toEqual([...ids].sort())
    const manifest = decodeManifest(await readBlob(digest))
    const { tokenizer, template } = { tokenizer: await sha256Hex('{"a":1}'), template: await sha256Hex(TEMPLATE) }
    expect(manifest).toMatchObject({
      ...{ dataset: DATASET, snapshot: run.detail.snapshot!.digest, splitRule: 2, tokenizer, template },
      ...{ pairs: 200, heldOut: 50, tokens: 200 * 12 },
    })
    expect(run.detail.pack).toEqual({
      ...{ digest, bytes: manifest.shards[0]!.bytes, tokens: 200 * 12, shards: 1 },
    })
    const { evaluate, promote } = run.detail
    expect(evaluate!.pairs).toBe(50)
    expect(evaluate!.accuracy).toBeGreaterThan(evaluate!.baseAccuracy + 0.2)
    // k3 of a constant shift d is e^d − 1 − d: 4 chosen tokens to 5 rejected ones.
    const k3 = (d: number) => Math.exp(d) - 1 - d
    expect(evaluate!.driftPerToken).toBeCloseTo((4 * k3(LEARNED.chosen) + 5 * k3(LEARNED.rejected)) / 9, 5)
    expect(promote).toMatchObject({ name: DATASET, version: 1, promoted: true })
    expect(promote!.gates.map(({ gate, passed }) => [gate, passed])).toEqual([
      ["finite", true],
      ["gain-over-base", true],
      ["drift", true],
      // No work setting: its pairs have none.
      ["worst-language-gain", true],
      ["short-chosen-gain", true],
      ["length-ratio", true],
      ["length-ratio", true],
      ["unended-rise", true],
      ["repetition-rise", true],
      ["sameness", true],
      ["empty-rise", true],
      ["language-change", true],
      ["refusal-rise", true],
      ["harmful-margin-change", true],
      ["safe-margin-change", true],
      ["plain-text-change", true],
      ["chosen-change", true],
    ])
    expect(evaluate!.measurements!["length-ratio"]).toEqual({ value: 1, of: "8 answers" })
    expect(await channelsNow()).toEqual({ candidate: 1, production: 1 })
    const model = await bindings.DB.prepare("SELECT * FROM models WHERE name = ?").bind(DATASET).first()
    expect(model).toMatchObject({ version: 1, kind: "adapter", run_id: runId, base_name: "tiny", base_version: 1 })
  })

  it("packs token ids and log-probs as they are stored, whole pairs in the order of their ids", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("layout")
    const job = await leaseNext()
    const row = await bindings.DB.prepare("SELECT * FROM pairs ORDER BY id LIMIT 1").first<{
      id: string
      token_ids: number[]
      split: string
      chosen_digest: string
    }>()
    const pair = (await pairsOfPack(job.spec.pack))[0]!
    const ids = [...Array.from(pair.promptIds), ...Array.from(pair.chosenIds), ...Array.from(pair.rejectedIds)]
    expect(ids).toEqual(row!.token_ids.filter((_, index) => index % 4 === 0))
    expect([pair.promptIds.length, pair.chosenIds.length, pair.rejectedIds.length]).toEqual([3, 4, 5])
    expect(pair.split).toBe(row!.split)
    const bytes = [0, 2, 4, 6].map((at) => Number.parseInt(row!.chosen_digest.slice(at, at + 2), 16))
    expect(Array.from(pair.referenceLogProbs!.chosen)).toEqual(bytes.map((byte) => -0.5 - byte / 128))
    expect(job.jobId).toBe(`${runId}-train`)
  })

  it("leaves out what becomes ready after its snapshot", async () => {
    await addPairs(0, 20)
    const runId = await triggerOnce("frozen")
    const job = await leaseNext()
    await addPairs(20, 40)
    await complete(job, LEARNED)
    await work(1)
    expect((await finished(runId)).detail.evaluate!.pairs).toBe(5)
  })

  it("scores and packs in several groups and parts when there are many pairs", async () => {
    const ids = await addPairs(0, 1100)
    const runId = await triggerOnce("many")
    const job = await leaseNext("runner", 50_000)
    const { shards } = decodeManifest(await readBlob(job.spec.pack))
    expect(shards.map(({ pairs }) => pairs)).toEqual([1024, 76])
    expect((await pairsOfPack(job.spec.pack)).map(({ id }) => id)).toEqual([...ids].sort())
    const status = await bindings.WORKFLOW_RUN.getByName(runId).status()
    expect(status!.activities.map(({ name }) => name)).toEqual([
      ...["snapshot", "score/0", "score/1", "score/2", "pack/0", "pack/1", "pack", "train/post"],
    ])
    expect(await bindings.SCORER.calls()).toBe(8 + 8 + 2)
  })
})

describe("a pack of long pairs", () => {
  it("is cut into shards that a reader can hold, in the order of ids, and made the same twice", async () => {
    const ids = await addPairs(0, 8)
    // 300 000 tokens and as many log-probs in 4 bytes each: 3 pairs fit into half of what a reader takes.
    const tokens = 300_000
    await lengthenPairs(tokens)
    await triggerOnce("long")
    const { spec } = await leaseNext()
    const { shards } = decodeManifest(await readBlob(spec.pack))
    expect(shards.map(({ pairs }) => pairs)).toEqual([3, 3, 2])
    for (const { bytes } of shards) expect(bytes).toBeLessThanOrEqual(MOST_SHARD_BYTES / 2)
    expect((await pairsOfPack(spec.pack)).map(({ id }) => id)).toEqual([...ids].sort())
    await triggerOnce("again", { force: true })
    expect((await leaseNext("other")).spec.pack).toBe(spec.pack)
  })
})

describe("the next run", () => {
  it("finds every reference log-prob in the cache and the same pack digest", async () => {
    await addPairs(0, 40)
    const first = await triggerOnce("one")
    await work(2)
    const before = await finished(first)
    const second = await triggerOnce("two")
    await work(2)
    const after = await finished(second)
    expect(after.detail.score).toEqual({ computed: 0, fromCache: 80 })
    expect(after.detail.pack).toEqual(before.detail.pack)
  })

  it("that makes the same adapter is the same version", async () => {
    await addPairs(0, 40)
    await finished(await firstRun("one"))
    const run = await finished(await firstRun("two"))
    expect(run.detail.promote).toMatchObject({ version: 1, promoted: true })
    expect(await channelsNow()).toEqual({ candidate: 1, production: 1 })
  })

  it("is compared with production's own numbers when the pack is the same", async () => {
    await addPairs(0, 160)
    await finished(await firstRun("one"))
    const worse = await triggerOnce("two", { config: { seed: 7 } })
    await work(2, { chosen: 0.1, rejected: -0.2 })
    const run = await finished(worse)
    expect(failedGates(run.detail.promote!.gates)).toEqual(["no-worse-than-production"])
    expect(run.detail.promote).toMatchObject({ version: 2, promoted: false })
    expect(await channelsNow()).toEqual({ candidate: 2, production: 1 })
  })

  it("has production measured by a runner when the pack is another, and passes when it is no worse", async () => {
    await addPairs(0, 40)
    await finished(await firstRun("one"))
    await addPairs(40, 80)
    const runId = await triggerOnce("two")
    expect(await work(3)).toEqual([`${runId}-train`, `${runId}-evaluate`, `${runId}-evaluate-production-1`])
    const run = await finished(runId)
    expect(run.detail.promote).toMatchObject({ version: 2, promoted: true })
    const compared = run.detail.promote!.gates.find(({ gate }) => gate === "no-worse-than-production")
    expect(compared).toMatchObject({ passed: true, value: 0 })
    expect(await channelsNow()).toEqual({ candidate: 2, production: 2 })
  })

  it("compares again when production moved in between", async () => {
    await addPairs(0, 40)
    const runId = await triggerOnce("slow")
    await work(1)
    const evaluation = await leaseNext()
    // Looks the champion up (nothing), then somebody promotes another adapter before the run does.
    await bindings.REGISTRY.getByName(DATASET).register({
      ...{ name: DATASET, kind: "adapter", files: await makeAdapter({ chosen: 0, rejected: 0 }, "other") },
      base: { name: "tiny", version: 1 },
      metrics: {},
    })
    await moveBeforePromotion(runId, { channel: "production", version: 1 })
    await complete(evaluation, LEARNED)
    expect(await work(1)).toEqual([`${runId}-evaluate-production-1`])
    const run = await finished(runId)
    expect(run.detail.promote).toMatchObject({ version: 2, promoted: true })
    const names = (await bindings.WORKFLOW_RUN.getByName(runId).status())!.activities.map(({ name }) => name)
    expect(names.filter((name) => name.startsWith("promote/"))).toEqual(["promote/0", "promote/1"])
  })
})

/** Triggers and works off a run whose adapter depends only on pack and configuration. */
const firstRun = async (key: string): Promise<string> => {
  const runId = await triggerOnce(key)
  await work(2)
  return runId
}

/** Moves a channel in the turn in which the run's look-up of the champion is stored. */
const moveBeforePromotion = (runId: string, move: ChannelMove): Promise<void> =>
  inWorkflowRun(runId, ({ journal }) => {
    const record = journal.recordActivity.bind(journal)
    journal.recordActivity = (name, attempt, exit) => {
      record(name, attempt, exit)
      if (name === "champion/0") void bindings.REGISTRY.getByName(DATASET).move(DATASET, move)
    }
  })

describe("a run that cannot go on", () => {
  const failureOf = async (runId: string) => {
    const { status, step, error } = await finished(runId)
    return { status, step, error }
  }

  it("says which pairs the dataset lacks", async () => {
    await addPairs(0, 2)
    expect(await failureOf(await triggerOnce("empty"))).toEqual({
      ...{ status: "failed", step: "snapshot" },
      error:
        'dataset "support" has 2 ready pairs to train on and 0 held out; it needs at least one of each: add comparisons with other prompts',
    })
  })

  it("ends with the scorer's own reason", async () => {
    await addPairs(0, 8)
    await bindings.SCORER.configure({ refusal: "model.onnx is too large; score it on a runner" })
    expect(await failureOf(await triggerOnce("refused"))).toEqual({
      ...{ status: "failed", step: "score" },
      error: "model.onnx is too large; score it on a runner",
    })
  })

  it("waits for a scorer that is away for a while", async () => {
    await addPairs(0, 8)
    await bindings.SCORER.configure({ away: 3 })
    const runId = await triggerOnce("away")
    await work(2)
    expect((await finished(runId)).status).toBe("succeeded")
  })

  it("gives up on a scorer that stays away, after eight attempts, with its message", async () => {
    await addPairs(0, 8)
    await bindings.SCORER.configure({ away: 1000 })
    const runId = await triggerOnce("gone")
    const { status, error } = await failureOf(runId)
    expect(status).toBe("failed")
    expect(error).toBe('gave up after 8 attempts in "score/0": could not have pairs scored: the scorer is restarting')
    expect(await bindings.SCORER.calls()).toBe(8)
  })

  it("scores pairs again whose record is spoilt, and drops none", async () => {
    await addPairs(0, 8)
    await bindings.SCORER.configure({ spoilt: 5 })
    await triggerOnce("spoilt")
    const job = await leaseNext()
    expect(await pairsOfPack(job.spec.pack)).toHaveLength(8)
  })

  it("refuses the pack when records stay spoilt", async () => {
    await addPairs(0, 8)
    await bindings.SCORER.configure({ spoilt: 1_000_000 })
    const { status, step, error } = await failureOf(await triggerOnce("rotten"))
    expect({ status, step }).toEqual({ status: "failed", step: "pack" })
    expect(error).toMatch(/^8 pairs have no usable reference log-probs after being scored 3 times, first [0-9a-f]{64}/)
  })

  it("ends with the runner's reason when the job may not be retried", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("hopeless")
    const { jobId, fencingToken } = await leaseNext()
    const error = "the self-test failed: reference and policy differ by 0.3 nats"
    valueIn(await orchestrator.fail({ jobId, fencingToken, error, retryable: false }))
    expect(await failureOf(runId)).toEqual({ status: "failed", step: "train", error: `train: ${error}` })
  })

  it("refuses an evaluation of other pairs than were held out", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("swapped")
    await work(1)
    const job = await leaseNext()
    const none = { pairIds: [], chosen: [], rejected: [], isNearDuplicate: [] }
    const evaluation = await putBlob(encodeEvaluation(none))
    const { jobId, fencingToken } = job
    valueIn(await orchestrator.complete({ jobId, fencingToken, result: { kind: "evaluate", evaluation } }))
    expect((await failureOf(runId)).error).toBe(
      "the evaluation cannot be used: it has 0 pairs (0 chosen, 0 rejected) and the pack holds out 2",
    )
  })

  it("ends when its model's name has become a base model's meanwhile", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("usurped", { modelName: "late" })
    await work(1)
    // Past the orchestrator, which refuses the name while the run is under way: of two at the same moment the registry decides.
    const base = { name: "late", kind: "base", files: await baseFiles(), metrics: {} } as const
    valueIn(await bindings.REGISTRY.getByName("late").register(base))
    await work(1)
    expect(await failureOf(runId)).toEqual({
      ...{ status: "failed", step: "promote" },
      error: '"late" is the name of a model of kind base; choose another name',
    })
  })

  it("ends when its process died in eight runs without progress", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("deadly")
    await leaseNext()
    await inWorkflowRun(runId, (_, state) => {
      state.storage.sql.exec("UPDATE execution SET attempts = 8")
    })
    await bindings.WORKFLOW_RUN.getByName(runId).wake()
    expect((await failureOf(runId)).error).toBe("gave up after 8 attempts: the process died each time")
  })

  it("leaves no job behind for other runners", async () => {
    await addPairs(0, 2)
    await failureOf(await triggerOnce("empty"))
    expect(await lease("runner", 0)).toBeNull()
    const { results } = await bindings.DB.prepare("SELECT status FROM runs").all()
    expect(results).toEqual([{ status: "failed" }])
  })
})
