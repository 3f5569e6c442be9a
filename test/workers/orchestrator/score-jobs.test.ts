// References that runners compute: what is missing becomes jobs, records come in under a lease's token and stand where the edge's do. Over 300 lines: a case a stage.
import { runInDurableObject } from "cloudflare:test"
import { Effect } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import { blobKey } from "#shared/wire/blobs.ts"
import { encodeScores } from "#shared/wire/handed-scores.ts"
import type { LeasedJob, ScoreJob } from "#shared/wire/job.ts"
import { decodeRecord, type RecordMetadata, recordKey } from "#shared/wire/reference-record.ts"
import { decodeSheet } from "#shared/wire/score-sheet.ts"
import type { Snapshot } from "#shared/workflows/retrain.ts"
import { type AskedSheet, Bindings } from "#workers/orchestrator/Environment.ts"
import { JobStore } from "#workers/orchestrator/pool/JobStore.ts"
import { cutScoreJob } from "#workers/orchestrator/retrain/cut-score-job.ts"
import { placeAt, sayTheSame } from "./score-world.ts"
import { complete, handIn, LEARNED, leaseNext, pairsOfPack, scoresOf, work } from "./test-runner.ts"
import {
  addPairs,
  baseFiles,
  bindings,
  createDataset,
  DATASET,
  finished,
  inWorkflowRun,
  lengthenPairs,
  orchestrator,
  startWorld,
  TEMPLATE,
  triggerOnce,
  until,
  valueIn,
} from "./world.ts"

beforeEach(async () => {
  await startWorld()
  await placeAt("runner")
})

const scoreJob = async (runnerId?: string): Promise<LeasedJob & { readonly spec: ScoreJob }> => {
  const job = await leaseNext(runnerId)
  if (job.spec.kind !== "score") throw new Error(`the job is to ${job.spec.kind}`)
  return job as LeasedJob & { readonly spec: ScoreJob }
}

/** A lease that outlasts a test without a heartbeat. */
const holdOn = (jobId: string) =>
  runInDurableObject(
    bindings.RUNNER_POOL.getByName("pool") as never,
    ((_: unknown, { storage }: DurableObjectState) =>
      new JobStore(storage.sql).extend(jobId, Date.now() + 600_000, undefined)) as never,
  )

const recordsNow = async (): Promise<string[]> => (await bindings.REFERENCES.list()).keys.map(({ name }) => name)

describe("a dataset whose reference runners compute", () => {
  it("goes from its snapshot to promotion without the scorer, with the log-probs that the runner handed in", async () => {
    await addPairs(0, 16)
    const runId = await triggerOnce("first")
    expect(await work(1)).toEqual([`${runId}-score-0`])
    const train = await leaseNext()
    const packed = await pairsOfPack(train.spec.pack)
    expect(packed.map(({ referenceLogProbs }) => Array.from(referenceLogProbs!.chosen))).toEqual(
      packed.map((pair, index) => scoresOf(pair, index).chosen),
    )
    await complete(train, LEARNED)
    await work(1)
    const run = await finished(runId)
    expect(run).toMatchObject({ status: "succeeded", detail: { promote: { promoted: true } } })
    expect(run.detail.score).toEqual({ computed: 32, fromCache: 0, place: "runner" })
    expect(await bindings.SCORER.calls()).toBe(0)
  })

  it("is asked of nobody again what is in KV, whichever run and dataset it is of and wherever it was computed", async () => {
    await addPairs(0, 20)
    await placeAt("edge")
    const atEdge = await triggerOnce("edge")
    await work(2)
    expect((await finished(atEdge)).detail.score).toEqual({ computed: 40, fromCache: 0 })
    await placeAt("runner")
    await addPairs(20, 24)
    const runId = await triggerOnce("more")
    const job = await scoreJob()
    expect(job.spec.pairs).toBe(4)
    await complete(job, LEARNED)
    await work(3)
    expect((await finished(runId)).detail.score).toEqual({ computed: 8, fromCache: 40, place: "runner" })
    await createDataset("other")
    await placeAt("runner", "stored", "other")
    await addPairs(0, 24, "other")
    await sayTheSame("other")
    const other = await triggerOnce("other", { datasetId: "other" })
    expect((await leaseNext()).jobId).toBe(`${other}-train`)
    const run = valueIn(await orchestrator.getRun(other))
    expect(run.detail.score).toEqual({ computed: 0, fromCache: 48, place: "runner" })
  })

  it("has a response that several pairs share scored once, by the first of them", async () => {
    const ids = (await addPairs(0, 6)).sort()
    await bindings.DB.prepare("UPDATE pairs SET chosen_digest = ?").bind("c".repeat(64)).run()
    await bindings.DB.prepare("UPDATE pairs SET rejected_digest = ? WHERE id IN (?, ?)")
      .bind("d".repeat(64), ids[0]!, ids[1]!)
      .run()
    const runId = await triggerOnce("shared")
    const job = await scoreJob()
    expect((await pairsOfPack(job.spec.pack)).map(({ id }) => id)).toEqual(ids.filter((_, index) => index !== 1))
    await complete(job, LEARNED)
    const run = valueIn(
      await until(
        () => orchestrator.getRun(runId),
        (seen) => seen.ok && seen.value.step === "train",
      ),
    )
    expect(run.detail.score).toEqual({ computed: 6, fromCache: 0, place: "runner" })
    const shared = await bindings.REFERENCES.get(recordKey(job.spec.reference, "c".repeat(64)), "arrayBuffer")
    expect(new Float32Array(shared!)[0]).toBe(-1)
  })

  it("has a response that pairs of several jobs share scored once, by the first job", async () => {
    const ids = (await addPairs(0, 8)).sort()
    await lengthenPairs(300_000)
    await bindings.DB.prepare("UPDATE pairs SET chosen_digest = ?").bind("c".repeat(64)).run()
    const runId = await triggerOnce("shared by jobs")
    await until(
      () => bindings.WORKFLOW_RUN.getByName(runId).status(),
      (status) => status!.activities.some(({ name, isFinished }) => name === "score-2/post" && isFinished),
    )
    const asked: string[] = []
    const packed: string[] = []
    for (let job = 0; job < 3; job++) {
      const { spec } = await scoreJob(`runner-${job}`)
      const sheet = await bindings.BLOBS.get(blobKey(spec.sheet))
      for (const entry of decodeSheet(new Uint8Array(await sheet!.arrayBuffer())))
        asked.push(...[entry.chosen, entry.rejected].filter(({ isWanted }) => isWanted).map(({ digest }) => digest))
      packed.push(...(await pairsOfPack(spec.pack)).map(({ id }) => id))
    }
    expect(packed).toEqual(ids)
    expect([asked.length, new Set(asked).size]).toEqual([9, 9])
  })

  it("looks again from the first place at which it left something to another run's job, when that has failed", async () => {
    await addPairs(1, 4)
    await createDataset("other")
    await placeAt("runner", "stored", "other")
    const ids = (await addPairs(0, 8, "other")).sort()
    await lengthenPairs(300_000)
    await bindings.DB.prepare("UPDATE pairs SET chosen_digest = ?").bind("c".repeat(64)).run()
    await triggerOnce("first")
    const { jobId, fencingToken } = await scoreJob("holder")
    await holdOn(jobId)
    await triggerOnce("second", { datasetId: "other" })
    for (let count = 0; count < 3; count++) {
      const job = await scoreJob()
      await holdOn(job.jobId)
      await complete(job, LEARNED)
    }
    valueIn(await orchestrator.fail({ jobId, fencingToken, error: "the disk is damaged", retryable: false }))
    const again = await scoreJob()
    expect((await pairsOfPack(again.spec.pack)).map(({ id }) => id)).toEqual([ids[0]])
  })

  it("counts as found in KV what no job of its own put there, and each response once", async () => {
    await addPairs(0, 8)
    await bindings.DB.prepare("UPDATE pairs SET chosen_digest = ?").bind("c".repeat(64)).run()
    const runId = await triggerOnce("counted")
    const job = await scoreJob()
    const snapshot = await inWorkflowRun(runId, ({ journal }) => {
      const { exit } = journal.activities().find(({ name }) => name === "snapshot")!
      return JSON.parse(exit!).value as Snapshot
    })
    const countsBehind = async (sheets: readonly AskedSheet[]) => {
      const stretch = { from: { page: 0, pairs: 0 }, pagesEnd: 1, sheets }
      const cut = cutScoreJob(DATASET, snapshot, stretch).pipe(Effect.provideService(Bindings, bindings))
      return (await Effect.runPromise(cut)).counts
    }
    const own = { jobId: job.jobId, sheet: job.spec.sheet, pairs: 8, isOwn: true, isOpen: true }
    // What another's job has just handed in may not be seen yet.
    expect(await countsBehind([{ ...own, isOwn: false, isOpen: false }])).toEqual({ computed: 0, fromCache: 9 })
    valueIn(await handIn(job))
    expect(await countsBehind([])).toEqual({ computed: 0, fromCache: 9 })
    expect(await countsBehind([own])).toEqual({ computed: 0, fromCache: 0 })
  })

  it("in another precision is another reference: nothing that was scored is taken for it", async () => {
    await addPairs(0, 8)
    await triggerOnce("stored")
    const stored = await scoreJob()
    await complete(stored, LEARNED)
    await work(2)
    await placeAt("runner", "nf4")
    await triggerOnce("nf4")
    const coded = await scoreJob()
    expect([stored.spec.precision, coded.spec.precision, coded.spec.pairs]).toEqual(["stored", "nf4", 8])
    expect(coded.spec.reference).not.toBe(stored.spec.reference)
  })

  it("in another precision is looked for under its own fingerprint where the edge computes it, by a graph of such weights", async () => {
    const { "model.safetensors": weights = "", "tokenizer.json": tokenizer = "" } = await baseFiles()
    const template = await sha256Hex(TEMPLATE)
    const rounded = await referenceFingerprint({ weights, tokenizer, template }, "int8")
    await bindings.SCORER.reset(rounded)
    await placeAt("edge", "int8")
    await addPairs(0, 8)
    const runId = await triggerOnce("rounded")
    const job = await leaseNext()
    expect([job.jobId, job.spec.kind]).toEqual([`${runId}-train`, "train"])
    expect(valueIn(await orchestrator.getRun(runId)).detail.score).toMatchObject({ computed: 16 })
    expect((await recordsNow()).every((name) => name.startsWith(`rl1:${rounded.slice(0, 16)}:`))).toBe(true)
  })

  it("has records that went missing scored again before the pack is made", async () => {
    await addPairs(0, 8)
    const runId = await triggerOnce("lost")
    const job = await scoreJob()
    valueIn(await handIn(job))
    await bindings.REFERENCES.delete((await recordsNow())[3]!)
    await complete(job, LEARNED)
    const again = await scoreJob()
    expect([again.jobId, again.spec.pairs]).toEqual([`${runId}-score-again-0-0-0`, 1])
    await complete(again, LEARNED)
    await work(2)
    expect(await finished(runId)).toMatchObject({ status: "succeeded" })
  })

  it("of long pairs is cut into several jobs, side by side, and when one fails for good none is left", async () => {
    await addPairs(0, 8)
    await lengthenPairs(300_000)
    const runId = await triggerOnce("long")
    // A lease lasts 1.5 s here: none is taken before all are there.
    await until(
      () => bindings.WORKFLOW_RUN.getByName(runId).status(),
      (status) => status!.activities.some(({ name, isFinished }) => name === "score-2/post" && isFinished),
    )
    const [first, second] = [await scoreJob("one"), await scoreJob("two")]
    expect([first.jobId, second.jobId]).toEqual([`${runId}-score-0`, `${runId}-score-1`])
    expect([first.spec.pairs, second.spec.pairs]).toEqual([3, 3])
    const failure = { error: "the model is damaged", retryable: false }
    valueIn(await orchestrator.fail({ jobId: second.jobId, fencingToken: second.fencingToken, ...failure }))
    valueIn(await orchestrator.fail({ jobId: first.jobId, fencingToken: first.fencingToken, ...failure }))
    expect(await finished(runId)).toMatchObject({ status: "failed", error: "score-0: the model is damaged" })
    expect(valueIn(await orchestrator.lease({ runnerId: "three", adapter: "a test", waitMs: 0 }))).toBeNull()
  })
})

describe("what a runner hands in", () => {
  const ready = async (): Promise<LeasedJob & { readonly spec: ScoreJob }> => {
    await addPairs(0, 8)
    await triggerOnce("first")
    return scoreJob()
  }
  const good = { chosen: [-1, -1, -1, -1], rejected: [-2, -2, -2, -2, -2] }
  const send = ({ jobId, fencingToken }: LeasedJob, scores: Uint8Array, from = 0) =>
    orchestrator.handInScores({ jobId, fencingToken, from, scores })

  it("stands in KV as the edge's records do, and says that a runner computed it", async () => {
    const job = await ready()
    expect(valueIn(await handIn(job, 0, 3))).toEqual({ scored: 3 })
    expect(await recordsNow()).toHaveLength(6)
    const row = await bindings.DB.prepare("SELECT chosen_digest FROM pairs ORDER BY id LIMIT 1").first<{
      chosen_digest: string
    }>()
    const key = recordKey(job.spec.reference, row!.chosen_digest)
    const { value, metadata } = await bindings.REFERENCES.getWithMetadata<RecordMetadata>(key, "arrayBuffer")
    expect(Array.from(decodeRecord(value!, metadata, 4)!)).toEqual(
      scoresOf((await pairsOfPack(job.spec.pack))[0]!, 0).chosen,
    )
    expect(metadata).toMatchObject({ ep: "webgpu", n: 4 })
  })

  const BAD: readonly (readonly [string, Uint8Array, RegExp, number?])[] = [
    [
      "a log-prob too few",
      encodeScores([good, { ...good, chosen: [-1, -1, -1] }]),
      /^the chosen response of pair 1 has 4 tokens and 3 log-probs came for it/,
    ],
    [
      "a log-prob too many",
      encodeScores([{ ...good, rejected: [...good.rejected, -1] }]),
      /^the rejected response of pair 0 has 5 tokens and 6 /,
    ],
    [
      "NaN",
      encodeScores([good, { ...good, rejected: [-1, -1, Number.NaN, -1, -1] }]),
      /^token 2 of the rejected response of pair 1 has the log-prob NaN/,
    ],
    [
      "−∞",
      encodeScores([{ ...good, chosen: [-1, -1, -1, Number.NEGATIVE_INFINITY] }]),
      /^token 3 of the chosen response of pair 0 has the log-prob -Infinity/,
    ],
    [
      "a positive number",
      encodeScores([{ ...good, chosen: [0.5, -1, -1, -1] }]),
      /^token 0 of the chosen response of pair 0 has the log-prob 0\.5/,
    ],
    ["half a record", encodeScores([good]).slice(0, 30), /end in the middle of a record, at byte 30/],
    ["nothing", new Uint8Array(0), /holds no log-probs/],
    ["a count beyond all bytes", Uint8Array.of(255, 255, 255, 255, 0), /end in the middle of a record/],
    [
      "more pairs than the job has",
      encodeScores(Array.from({ length: 9 }, () => good)),
      /^the job has 8 pairs, and log-probs came for more/,
    ],
    [
      "more pairs than a call takes",
      encodeScores(Array.from({ length: 257 }, () => good)),
      /^one call takes the log-probs of at most 256 pairs/,
    ],
    [
      "pairs behind others that are not there",
      encodeScores([good]),
      /^the log-probs of 0 pairs are stored, and these begin with pair 2/,
      2,
    ],
  ]

  it("is refused where it is not what the job asks for, and nothing of it is stored; what is goes on to be taken", async () => {
    const job = await ready()
    for (const [name, scores, message, from = 0] of BAD)
      expect(await send(job, scores, from), name).toEqual({
        ok: false,
        error: { _tag: "Invalid", message: expect.stringMatching(message) },
      })
    expect(await recordsNow()).toEqual([])
    expect(valueIn(await handIn(job))).toEqual({ scored: 8 })
  })

  it("twice is once", async () => {
    const job = await ready()
    expect(valueIn(await handIn(job, 0, 5))).toEqual({ scored: 5 })
    const changed = encodeScores([{ ...good, chosen: [-9, -9, -9, -9] }])
    expect(valueIn(await send(job, changed))).toEqual({ scored: 5 })
    const values = await Promise.all((await recordsNow()).map((key) => bindings.REFERENCES.get(key, "arrayBuffer")))
    expect(values.some((value) => new Float32Array(value!)[0] === -9)).toBe(false)
  })

  it("with some that are stored is taken behind them, and behind the last there is nothing to take", async () => {
    const job = await ready()
    valueIn(await handIn(job, 0, 5))
    expect(valueIn(await handIn(job, 3))).toEqual({ scored: 8 })
    expect(await recordsNow()).toHaveLength(16)
    expect(await send(job, encodeScores([good]), 8)).toEqual({
      ok: false,
      error: {
        _tag: "Invalid",
        message: "the log-probs of all 8 pairs are stored, and these begin behind the last; complete the job",
      },
    })
  })

  it("by a runner that was killed is kept: the next lease goes on behind it, and the first runner's late call is refused", async () => {
    const killed = await ready()
    expect(killed.scored).toBe(0)
    valueIn(await handIn(killed, 0, 5))
    const next = await leaseNext("another")
    expect(next).toMatchObject({ jobId: killed.jobId, scored: 5, fencingToken: killed.fencingToken + 1 })
    expect(await handIn(killed, 5)).toMatchObject({ ok: false, error: { _tag: "StaleLease" } })
    expect(await recordsNow()).toHaveLength(10)
    expect(valueIn(await handIn(next, 5))).toEqual({ scored: 8 })
    const { jobId, fencingToken } = next
    valueIn(await orchestrator.complete({ jobId, fencingToken, result: { kind: "score" } }))
    expect((await leaseNext("another")).spec.kind).toBe("train")
  })

  it("must be everything before the job is done", async () => {
    const job = await ready()
    valueIn(await handIn(job, 0, 5))
    const { jobId, fencingToken } = job
    expect(await orchestrator.complete({ jobId, fencingToken, result: { kind: "score" } })).toEqual({
      ok: false,
      error: {
        _tag: "Invalid",
        message: "the log-probs of 5 of 8 pairs came; hand in the others, then complete again",
      },
    })
  })

  it("belongs to a score job", async () => {
    const job = await ready()
    await complete(job, LEARNED)
    const train = await leaseNext()
    expect(await send(train, encodeScores([good]))).toMatchObject({
      ok: false,
      error: { _tag: "Invalid", message: `job "${train.jobId}" is to train; it takes no log-probs` },
    })
  })
})
