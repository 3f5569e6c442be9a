// Starts a run. The execution's id is derived from dataset and key, so the same trigger again is the same run; everything that
// the run depends on is pinned here, so that its replays see what its first start saw.
import { Effect, Schema } from "effect"
import { ModelName } from "#shared/domain/Dataset.ts"
import { Files } from "#shared/domain/Files.ts"
import { unservableConfig } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import type { RpcResult, TriggerInput } from "#shared/wire/services.ts"
import { Retrain, type RetrainPayload } from "#shared/workflows/retrain.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { encodePayload } from "../engine/durable-engine.ts"
import { gateLimits } from "../retrain/gates.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { insertRun } from "./run-rows.ts"

const MAX_KEY_CHARACTERS = 512
/** A comparison that is not in order waits for days; a batch of good ones takes seconds. */
const INGEST_WAIT_MS = 60_000

interface DatasetColumns {
  readonly retrain_config: string
  readonly name: string
  readonly version: number
  readonly files: string | null
}

const findDataset = (db: D1Database, id: string): Promise<DatasetColumns | null> =>
  db
    .prepare(
      `SELECT d.retrain_config, d.reference_model AS name, d.reference_version AS version, m.files
         FROM datasets d LEFT JOIN models m
           ON m.name = d.reference_model AND m.version = d.reference_version AND m.kind = 'base'
        WHERE d.id = ?`,
    )
    .bind(id)
    .first<DatasetColumns>()

const isNameOfBase = async (db: D1Database, name: string): Promise<boolean> =>
  (await db.prepare("SELECT 1 FROM models WHERE name = ? AND kind = 'base' LIMIT 1").bind(name).first()) !== null

const decodeFiles = Schema.decodeUnknownSync(Schema.fromJsonString(Files))
const isModelName = Schema.is(ModelName)

const invalid = (message: string): RpcResult<never> => refuse("Invalid", message)

/** The run's pinned input, or why there can be no run. */
const prepare = async (env: Environment, input: TriggerInput): Promise<RpcResult<RetrainPayload>> => {
  const { datasetId, key, trigger, promotion = "automatic", modelName = datasetId, waitForIngest = true } = input
  if (key === "" || key.length > MAX_KEY_CHARACTERS)
    return invalid(`the key of a run has 1 to ${MAX_KEY_CHARACTERS} characters`)
  const dataset = await findDataset(env.DB, datasetId)
  if (dataset === null) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  const { name, version, files } = dataset
  if (files === null)
    return invalid(`the dataset's base model "${name}" version ${version} is not registered; register it`)
  const config = decodeTrainConfig(input.config ?? {}, JSON.parse(dataset.retrain_config))
  if (config._tag === "Failure") return invalid(config.failure.message)
  const unservable = unservableConfig(config.success)
  if (unservable !== undefined) return invalid(unservable)
  if (!isModelName(modelName))
    return invalid(`"${modelName}" cannot name a model; use lower-case letters, digits, . - _`)
  if (await isNameOfBase(env.DB, modelName))
    return invalid(`"${modelName}" is the name of a base model; give the adapter another name (modelName)`)
  return succeed({
    ...{ datasetId, key, trigger, promotion, modelName },
    config: { ...config.success },
    base: { name, version, files: decodeFiles(files) },
    gates: gateLimits(env),
    ...(waitForIngest ? { ingestWaitMs: INGEST_WAIT_MS } : {}),
    createdAt: Date.now(),
  })
}

/** Starts the run, or finds the one that has this key. */
export const triggerRun = async (
  env: Environment,
  input: TriggerInput,
): Promise<RpcResult<{ readonly runId: string; readonly created: boolean }>> => {
  const prepared = await prepare(env, input)
  if (!prepared.ok) return prepared
  const payload = prepared.value
  const runId = await Effect.runPromise(Retrain.executionId(payload))
  // First the journal, which runs by itself from here on; then the row, which the run adds too if this process dies in between.
  const { created } = await env.WORKFLOW_RUN.getByName(runId).start(
    runId,
    Retrain._tag,
    encodePayload(Retrain, payload),
  )
  await insertRun(env.DB, runId, payload)
  await poolOf(env).keepSweeping()
  return succeed({ runId, created })
}
