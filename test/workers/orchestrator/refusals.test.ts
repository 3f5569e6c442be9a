// Each way in which a run of Retrain ends for good, with the step and the words that say what to mend.
import { beforeEach, describe, expect, it } from "vitest"
import type { JobResult, LeasedJob } from "#shared/wire/job.ts"
import { complete, LEARNED, leaseNext, makeAdapter, work } from "./test-runner.ts"
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
    const evaluation = await putBlob('{"pairIds":[],"chosen":[{"sum":"low","count":1}],"rejected":[]}')
    await handIn(await leaseNext(), { kind: "evaluate", evaluation })
    expect(await endOf(runId)).toEqual({
      ...{ status: "failed", step: "evaluate" },
      error: expect.stringMatching(/^the evaluation cannot be used: [\s\S]*\["chosen"\]\[0\]\["sum"\]/),
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
