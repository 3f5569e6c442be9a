// The definition of Retrain: identity, encoding, and a walk through Effect's own in-memory engine.
import { Effect, Exit, Layer, Schema } from "effect"
import { Activity, DurableDeferred, WorkflowEngine } from "effect/workflow"
import { describe, expect, it } from "vitest"
import type { JobResult } from "#shared/wire/job.ts"
import {
  JobFailed,
  jobFinished,
  Retrain,
  RetrainActivities,
  RetrainPayload,
  SnapshotUnusable,
} from "#shared/workflows/retrain.ts"

const digest = "ab".repeat(32)

const payload: RetrainPayload = {
  ...{ datasetId: "support", key: "first", trigger: "api", config: { beta: 2.5 }, promotion: "automatic" },
  modelName: "support",
  base: { name: "tiny", version: 1, files: { "model.safetensors": digest } },
  gates: { minimumGain: 0.02, productionTolerance: 0.01, driftPerToken: 1 },
  createdAt: 1,
}

const idOf = (change: Partial<RetrainPayload>) => Effect.runPromise(Retrain.executionId({ ...payload, ...change }))

describe("a run's id", () => {
  it("is a function of dataset and key alone", async () => {
    const id = await idOf({})
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(await idOf({ createdAt: 2, trigger: "webhook", config: {}, promotion: "never", modelName: "x" })).toBe(id)
    expect(await idOf({ key: "second" })).not.toBe(id)
    expect(await idOf({ datasetId: "other" })).not.toBe(id)
  })
})

describe("the payload and the errors", () => {
  it("survive JSON", () => {
    const codec = Schema.toCodecJson(RetrainPayload)
    expect(Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(payload))))).toEqual(
      payload,
    )
    const error = Schema.toCodecJson(Retrain.errorSchema)
    const text = JSON.stringify(Schema.encodeSync(error)(new JobFailed({ message: "train: device lost" })))
    const decoded = Schema.decodeUnknownSync(error)(JSON.parse(text))
    expect(decoded).toBeInstanceOf(JobFailed)
    expect(decoded.message).toBe("train: device lost")
  })
})

describe("the definition on the in-memory engine", () => {
  const trained: JobResult = { kind: "train", adapter: { "adapter_config.json": digest }, report: { steps: 1 } }

  const body = Retrain.toLayer(
    Effect.fnUntraced(function* ({ datasetId, modelName }) {
      if (datasetId === "empty") return yield* new SnapshotUnusable({ message: "no pairs" })
      const result = yield* DurableDeferred.await(jobFinished("train"))
      const { adapter } = yield* Activity.make({
        name: "train",
        ...RetrainActivities.train,
        execute: Effect.succeed(result.kind === "train" ? result : { adapter: {}, report: {} }),
      })
      const isComplete = adapter?.["adapter_config.json"] === digest
      return { name: modelName, version: 1, digest, promoted: isComplete, gates: [] }
    }),
  )

  const onEngine = <A, E>(effect: Effect.Effect<A, E, WorkflowEngine.WorkflowEngine>) =>
    Effect.runPromiseExit(Effect.provide(effect, Layer.provideMerge(body, WorkflowEngine.layerMemory)))

  it("waits for the job's deferred and ends with the promotion", async () => {
    const exit = await onEngine(
      Effect.gen(function* () {
        const executionId = yield* Retrain.execute(payload, { discard: true })
        const deferred = jobFinished("train")
        const token = DurableDeferred.tokenFromExecutionId(deferred, { workflow: Retrain, executionId })
        yield* DurableDeferred.succeed(deferred, { token, value: trained })
        return yield* Retrain.execute(payload)
      }),
    )
    expect(exit).toEqual(Exit.succeed({ name: "support", version: 1, digest, promoted: true, gates: [] }))
  })

  it("fails with its typed error", async () => {
    const exit = await onEngine(Effect.flip(Retrain.execute({ ...payload, datasetId: "empty" })))
    expect(exit).toEqual(Exit.succeed(new SnapshotUnusable({ message: "no pairs" })))
  })
})
