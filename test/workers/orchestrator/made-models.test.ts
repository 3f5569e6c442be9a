// What runs make besides adapters of the plain kind: whole models of full fine-tunes, adapters over bases of few bits, and those that went
// on from another adapter.
import { beforeEach, describe, expect, it } from "vitest"
import { tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { blobsOf, NAMED_COLUMNS, type RunNames } from "#workers/orchestrator/sweep/run-blobs.ts"
import { complete, LEARNED, leaseNext, makeAdapter, makeModel, work } from "./test-runner.ts"
import {
  addPairs,
  baseFiles,
  bindings,
  channelsNow,
  DATASET,
  finished,
  orchestrator,
  putBlob,
  startWorld,
  triggerOnce,
  valueIn,
} from "./world.ts"

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 40)
})

const registry = () => bindings.REGISTRY.getByName(DATASET)

describe("a full fine-tune", () => {
  it("ends as a model of several files, judged and registered as a whole", async () => {
    const runId = await triggerOnce("full", { config: { loraRank: 0 } })
    await complete(await leaseNext(), LEARNED)
    const evaluation = await leaseNext()
    const { model, adapter } = evaluation.spec.kind === "evaluate" ? evaluation.spec : {}
    expect(adapter).toBeUndefined()
    await complete(evaluation, LEARNED)
    const run = await finished(runId)
    expect(run.detail.train!.model).toEqual(model)
    expect(run.detail.promote).toMatchObject({ version: 1, promoted: true })
    expect(await registry().version(1)).toMatchObject({
      ...{ kind: "finetune", files: model, base: { name: "tiny", version: 1 }, runId },
    })
    expect(await channelsNow()).toEqual({ candidate: 1, production: 1 })
    // Its files are the run's, before the registry names them too.
    const names = await bindings.DB.prepare(`SELECT ${NAMED_COLUMNS} FROM runs`).first<RunNames>()
    expect(await blobsOf(bindings, names!)).toEqual(expect.arrayContaining(Object.values(model!)))
  })

  it("and an adapter of the same base may serve under one name, each measured as what it is", async () => {
    const first = await triggerOnce("full", { config: { loraRank: 0 } })
    await work(2)
    await finished(first)
    await addPairs(40, 80)
    const second = await triggerOnce("adapter", { config: { baseWeights: "nf4" } })
    await work(2)
    const champion = await leaseNext()
    expect(champion).toMatchObject({
      jobId: `${second}-evaluate-production-1`,
      spec: { model: (await registry().version(1))!.files, baseWeights: "stored", precision: "mixed" },
    })
    await complete(champion, LEARNED)
    expect((await finished(second)).detail.promote).toMatchObject({ version: 2, promoted: true })
    const { kind, metrics } = (await registry().version(2))!
    expect([kind, metrics.baseWeights, metrics.precision]).toEqual(["adapter", "nf4", "mixed"])
  })

  it("whose weights are not those of its configuration is refused, and nothing of it is registered", async () => {
    const runId = await triggerOnce("short", { config: { loraRank: 0 } })
    const { jobId, fencingToken } = await leaseNext()
    const other = writeSafetensors([tensorOf("model.norm.weight", [4], new Float32Array(4))])
    const model = { ...(await makeModel(LEARNED)), "model.safetensors": await putBlob(other) }
    valueIn(await orchestrator.complete({ jobId, fencingToken, result: { kind: "train", model, report: {} } }))
    const { status, step, error } = await finished(runId)
    expect([status, step]).toEqual(["failed", "train"])
    expect(error).toMatch(/^the set of weights of the trained model cannot be used: .*; update the runner, and start/)
    expect(await registry().version(1)).toBeNull()
  })

  it("handed in as an adapter is refused while the lease is held", async () => {
    await triggerOnce("wrong", { config: { loraRank: 0 } })
    const { jobId, fencingToken } = await leaseNext()
    const result = { kind: "train", adapter: await makeAdapter(LEARNED), report: {} } as const
    expect(await orchestrator.complete({ jobId, fencingToken, result })).toEqual({
      ok: false,
      error: {
        _tag: "Invalid",
        message:
          "the result has no model, and loraRank 0 makes a whole one; upload and name what training makes, then complete again",
      },
    })
  })
})

describe("a result with an adapter and a model", () => {
  it.each([
    [8, "a loraRank above 0 makes an adapter"],
    [0, "loraRank 0 makes a model"],
  ])("is refused with loraRank %i while the lease is held: %s alone", async (loraRank, makes) => {
    await triggerOnce("both", { config: { loraRank } })
    const { jobId, fencingToken } = await leaseNext()
    const both = { adapter: await makeAdapter(LEARNED), model: await makeModel(LEARNED) }
    const result = { kind: "train", ...both, report: {} } as const
    expect(await orchestrator.complete({ jobId, fencingToken, result })).toEqual({
      ok: false,
      error: {
        _tag: "Invalid",
        message: `the result has an adapter and a model, and ${makes} alone; upload and name what training makes, then complete again`,
      },
    })
  })
})

describe("a base of few bits", () => {
  it("is what the adapter is judged on too", async () => {
    await triggerOnce("few", { config: { baseWeights: "int8", precision: "f32" } })
    await work(1)
    expect((await leaseNext()).spec).toMatchObject({ kind: "evaluate", baseWeights: "int8", precision: "f32" })
  })
})

describe("a run that starts from an adapter", () => {
  const PEFT = { peft_type: "LORA", r: 2, lora_alpha: 8, target_modules: ["q_proj", "v_proj"] }
  const registerStart = async (base = { name: "tiny", version: 1 }) => {
    const files = { ...(await makeAdapter(LEARNED)), "adapter_config.json": await putBlob(JSON.stringify(PEFT)) }
    const start = { name: "start", kind: "adapter", files, base, metrics: {} } as const
    return valueIn(await bindings.REGISTRY.getByName("start").register(start))
  }
  const startFrom = { name: "start", version: 1 }
  const answerTo = async (config: Record<string, unknown>) => {
    const answer = await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key: "start", startFrom, config })
    return answer.ok ? "started" : answer.error.message
  }

  it("has its files and its rank in the job, whatever the dataset's own are", async () => {
    const { files } = await registerStart()
    await bindings.DB.prepare(`UPDATE datasets SET retrain_config = '{"loraRank": 32}'`).run()
    await triggerOnce("go-on", { startFrom })
    const { spec } = await leaseNext()
    expect(spec).toMatchObject({
      startFrom: files,
      config: { loraRank: 2, loraAlpha: 8, loraTargets: ["q_proj", "v_proj"], useRankStabilisedLora: false },
    })
  })

  it("is another run than one from the base", async () => {
    await registerStart()
    const ids = new Set([
      valueIn(await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key: "a", config: { loraRank: 2 } }))
        .runId,
      valueIn(await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key: "b", startFrom })).runId,
      valueIn(await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key: "c", startFrom })).runId,
    ])
    expect(ids.size).toBe(2)
  })

  it("is refused with another rank, and where the adapter is of another base or cannot be read", async () => {
    await registerStart()
    expect(await answerTo({ loraRank: 4 })).toBe(
      "loraRank is 4, but the adapter of startFrom has 2; leave loraRank out",
    )
    await bindings.BLOBS.put(
      `blobs/${(await bindings.REGISTRY.getByName("start").version(1))!.files["adapter_config.json"]}`,
      "{}",
    )
    expect(await answerTo({})).toMatch(/^startFrom: "start" version 1 cannot be started from: a file of it/)
    await bindings.DB.prepare("UPDATE datasets SET reference_version = 2").run()
    valueIn(
      await orchestrator.registerModel({
        name: "tiny",
        kind: "base",
        files: { ...(await baseFiles()), "generation_config.json": await putBlob("{}") },
      }),
    )
    expect(await answerTo({})).toBe(
      'startFrom: "start" version 1 was trained on tiny@1, and the dataset\'s base is tiny@2; name an adapter of that',
    )
  })
})
