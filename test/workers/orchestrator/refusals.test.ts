// Each way in which a run of Retrain ends for good, with the step and the words that say what to mend.
import { Exit } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import type { JobResult, LeasedJob } from "#shared/wire/job.ts"
import { decodeManifest } from "#shared/wire/pack-manifest.ts"
import { complete, LEARNED, leaseNext, makeAdapter, resultOf, work } from "./test-runner.ts"
import {
  addPairs,
  baseFiles,
  bindings,
  channelsNow,
  DATASET,
  finished,
  inWorkflowRun,
  orchestrator,
  putBlob,
  readBlob,
  startWorld,
  triggerOnce,
  valueIn,
} from "./world.ts"

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 8)
})

const endOf = async (runId: string) => {
  const { status, step, error } = await finished(runId)
  return { status, step, error }
}

const handIn = async ({ jobId, fencingToken }: LeasedJob, result: JobResult): Promise<void> => {
  valueIn(await orchestrator.complete({ jobId, fencingToken, result }))
}

describe("a base model that was registered before its files were looked at is refused", () => {
  const runOn = async (files: Readonly<Record<string, string>>) => {
    valueIn(await bindings.REGISTRY.getByName("other").register({ name: "other", kind: "base", files, metrics: {} }))
    await bindings.DB.prepare("UPDATE datasets SET reference_model = 'other'").run()
    return endOf(await triggerOnce("other"))
  }
  const failed = (error: unknown) => ({ status: "failed", step: "snapshot", error })

  it.each(["model.safetensors", "tokenizer.json"])("without %s", async (name) => {
    const { [name]: _, ...files } = await baseFiles()
    expect(await runOn(files)).toEqual(failed("the base model lacks model.safetensors or tokenizer.json"))
  })

  it("without tokenizer_config.json", async () => {
    const { "tokenizer_config.json": _, ...files } = await baseFiles()
    expect(await runOn(files)).toEqual(
      failed("the base model's tokenizer_config.json is missing; register a version that has it"),
    )
  })

  it("whose tokenizer_config.json is no object", async () => {
    const files = { ...(await baseFiles()), "tokenizer_config.json": await putBlob("[]") }
    expect(await runOn(files)).toEqual(
      failed(expect.stringMatching(/^the base model's files cannot be used: .*tokenizer_config\.json/)),
    )
  })
})

describe("a pack is refused", () => {
  it("when a pair's token ids are not as many as its lengths say", async () => {
    const [id] = await addPairs(8, 9)
    await bindings.DB.prepare("UPDATE pairs SET chosen_tokens = chosen_tokens + 1 WHERE id = ?").bind(id).run()
    expect(await endOf(await triggerOnce("unfit"))).toEqual({
      ...{ status: "failed", step: "pack" },
      error: `pair ${id} has no token ids that fit its lengths; ingest it again`,
    })
  })
})

describe("what a runner hands in is refused", () => {
  it("when the evaluation's blob is no evaluation, with the place", async () => {
    const runId = await triggerOnce("garbled")
    await work(1)
    const format = { format: "yohaku-evaluation", version: "1" }
    const evaluation = await putBlob(writeSafetensors([tensorOf("pair_ids", [1, 32], new Uint8Array(32))], format))
    await handIn(await leaseNext(), { kind: "evaluate", evaluation })
    expect(await endOf(runId)).toEqual({
      ...{ status: "failed", step: "evaluate" },
      error: "the evaluation cannot be used: its sums have no bytes where 1 pairs take 16; update the runner",
    })
  })
})

describe("a run whose pack is not whole any more", () => {
  /** The run's evaluation is handed in after `spoil` was done to a blob of its pack. */
  const endAfter = async (key: string, spoil: (manifest: string, shard: string) => Promise<unknown>) => {
    const runId = await triggerOnce(key)
    const job = await leaseNext()
    const { shards } = decodeManifest(await readBlob(job.spec.pack))
    await complete(job, LEARNED)
    const evaluation = await leaseNext()
    const result = await resultOf(evaluation, LEARNED)
    await spoil(job.spec.pack, shards[0]!.digest)
    await handIn(evaluation, result)
    return endOf(runId)
  }
  const overwrite = (digest: string, bytes: string | Uint8Array<ArrayBuffer>) =>
    bindings.BLOBS.put(`blobs/${digest}`, bytes)

  it.each<[string, (manifest: string, shard: string) => Promise<unknown>, RegExp]>([
    [
      "a shard is gone",
      (_, shard) => bindings.BLOBS.delete(`blobs/${shard}`),
      /shard 1 of 1 \(.*\) is missing; .*start the run again/,
    ],
    [
      "a shard was cut",
      (_, shard) => overwrite(shard, "short"),
      /shard 1 of 1 \(.*\) has 5 bytes, its manifest says \d+/,
    ],
    [
      "a shard has other content",
      async (_, shard) => overwrite(shard, (await readBlob(shard)).fill(0, -1)),
      /shard 1 of 1 \(.*\) has other content/,
    ],
  ])("ends at once and says why: %s", async (what, spoil, error) => {
    const end = await endAfter(what.replaceAll(" ", "-"), spoil)
    expect(end).toMatchObject({ status: "failed", step: "evaluate" })
    expect(end.error).toMatch(new RegExp(`^the run's pack cannot be read: ${error.source}`))
  })
})

describe("a run that began under an older version", () => {
  it("ends at its next step and says that it is to be started again", async () => {
    // The snapshot as it was: all ids in one blob.
    const old = await putBlob('{"datasetId":"support","heldOut":[],"splitRule":2,"train":[]}')
    // The ingest is waited for, so that the hook is there before the snapshot is taken.
    await bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) SELECT id, 1 FROM pairs LIMIT 1").run()
    const runId = await triggerOnce("older")
    await inWorkflowRun(runId, ({ journal }) => {
      const record = journal.recordActivity.bind(journal)
      journal.recordActivity = (name, attempt, exit) => {
        if (name !== "snapshot" || !Exit.isSuccess(exit)) return record(name, attempt, exit)
        record(name, attempt, Exit.succeed({ ...(exit.value as object), digest: old }))
        throw new Error("the workers were replaced")
      }
    })
    await bindings.DB.prepare("DELETE FROM outbox").run()
    expect(await endOf(runId)).toEqual({
      ...{ status: "failed", step: "score" },
      error: "the run's snapshot is of an older version of the workers; start the run again under another key",
    })
  })
})

describe("a promotion is given up", () => {
  it("when production moved in each of five rounds; the adapter stays its candidate", async () => {
    const registry = bindings.REGISTRY.getByName(DATASET)
    // Of no base: nothing to compare with, so that no runner has to measure them.
    for (const salt of ["one", "two"])
      valueIn(
        await registry.register({
          ...{ name: DATASET, kind: "adapter", metrics: {} },
          files: await makeAdapter({ chosen: 0, rejected: 0 }, salt),
        }),
      )
    const runId = await triggerOnce("overtaken")
    await work(1)
    const evaluation = await leaseNext()
    await inWorkflowRun(runId, ({ journal }) => {
      const record = journal.recordActivity.bind(journal)
      journal.recordActivity = (name, attempt, exit) => {
        record(name, attempt, exit)
        const round = /^champion\/(\d)$/.exec(name)?.[1]
        if (round !== undefined)
          void bindings.REGISTRY.getByName(DATASET).move(DATASET, {
            channel: "production",
            version: 1 + (Number(round) % 2),
          })
      }
    })
    await complete(evaluation, LEARNED)
    expect(await endOf(runId)).toEqual({
      ...{ status: "failed", step: "promote" },
      error:
        'production of "support" moved 5 times while this run compared itself with it; the adapter is its candidate, promote it by hand',
    })
    expect(await channelsNow()).toEqual({ candidate: 3, production: 1 })
  })
})
