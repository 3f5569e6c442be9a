// Starts a run. The execution's id is derived from dataset and key, so the same trigger again is the same run; everything that
// the run depends on is pinned here, so that its replays see what its first start saw.
import { Effect, Schema } from "effect"
import { ModelName } from "#shared/domain/Dataset.ts"
import { Files } from "#shared/domain/Files.ts"
import { DEFAULT_RUN_LIMITS, RunLimits, tooManySteps } from "#shared/domain/RunLimits.ts"
import { unservableConfig } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import type { RpcResult, TriggerInput } from "#shared/wire/services.ts"
import { Retrain, type RetrainPayload } from "#shared/workflows/retrain.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { encodePayload } from "../engine/durable-engine.ts"
import { gateLimits } from "../retrain/gates.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { findIdentical, findRunning, fingerprintOf } from "./identical.ts"
import { claimRun, findRun, insertRun } from "./run-rows.ts"

const MAX_KEY_CHARACTERS = 512
/** A comparison that is not in order waits for days; a batch of good ones takes seconds. */
const INGEST_WAIT_MS = 60_000

interface DatasetColumns {
  readonly retrain_config: string
  readonly run_limits: string | null
  readonly name: string
  readonly version: number
  readonly files: string | null
}

const findDataset = (db: D1Database, id: string): Promise<DatasetColumns | null> =>
  db
    .prepare(
      `SELECT d.retrain_config, d.run_limits, d.reference_model AS name, d.reference_version AS version, m.files
         FROM datasets d LEFT JOIN models m
           ON m.name = d.reference_model AND m.version = d.reference_version AND m.kind = 'base'
        WHERE d.id = ?`,
    )
    .bind(id)
    .first<DatasetColumns>()

const isNameOfBase = async (db: D1Database, name: string): Promise<boolean> =>
  (await db.prepare("SELECT 1 FROM models WHERE name = ? AND kind = 'base' LIMIT 1").bind(name).first()) !== null

const decodeFiles = Schema.decodeUnknownSync(Schema.fromJsonString(Files))
const decodeLimits = Schema.decodeUnknownSync(Schema.fromJsonString(RunLimits))
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
  const limits = { ...DEFAULT_RUN_LIMITS, ...decodeLimits(dataset.run_limits ?? "{}"), ...input.limits }
  const { maxSteps } = config.success
  if (maxSteps > limits.steps) return invalid(`maxSteps: ${tooManySteps(maxSteps, limits.steps)}`)
  if (!isModelName(modelName))
    return invalid(`"${modelName}" cannot name a model; use lower-case letters, digits, . - _`)
  if (await isNameOfBase(env.DB, modelName))
    return invalid(`"${modelName}" is the name of a base model; give the adapter another name (modelName)`)
  return succeed({
    ...{ datasetId, key, trigger, promotion, modelName },
    config: { ...config.success },
    base: { name, version, files: decodeFiles(files) },
    gates: gateLimits(env),
    limits,
    ...(waitForIngest ? { ingestWaitMs: INGEST_WAIT_MS } : {}),
    createdAt: Date.now(),
  })
}

/** Between two looks another trigger was quicker: one that goes on so for ever would be a fault. */
const MOST_LOOKS = 20

/** The run under way that trains the same, or `runId`, whose row is there then. */
const claim = async (env: Environment, runId: string, payload: RetrainPayload): Promise<string> => {
  const fingerprint = await fingerprintOf(payload)
  for (let look = 0; look < MOST_LOOKS; look++) {
    if ((await findRun(env.DB, runId)) !== undefined) return runId
    const running = await findRunning(env.DB, fingerprint)
    const identical = await findIdentical(env.DB, payload.datasetId, running)
    if (identical !== undefined) return identical
    const seen = running.map(({ id }) => id)
    if (await claimRun(env.DB, runId, payload, { fingerprint, seen })) return runId
  }
  throw new Error(`other triggers of "${payload.datasetId}" were quicker ${MOST_LOOKS} times`)
}

/** Starts the run, or finds the one that has this key, or one under way that trains the same, unless it is to be another. */
export const triggerRun = async (
  env: Environment,
  input: TriggerInput,
): Promise<RpcResult<{ readonly runId: string; readonly created: boolean }>> => {
  const prepared = await prepare(env, input)
  if (!prepared.ok) return prepared
  const payload = prepared.value
  const ownId = await Effect.runPromise(Retrain.executionId(payload))
  // Before the row too: if this process dies behind it, nobody else would look at it, and it stands in the way of others.
  await poolOf(env).keepSweeping()
  if (input.force) await insertRun(env.DB, ownId, payload)
  const runId = input.force ? ownId : await claim(env, ownId, payload)
  await poolOf(env).keepSweeping()
  if (runId !== ownId) return succeed({ runId, created: false })
  // First the row, which is the claim; then the journal, which runs by itself from here on. Where this process dies in between, the
  // repetition of the request begins the journal, or the sweep ends the row.
  const { created } = await env.WORKFLOW_RUN.getByName(runId).start(
    runId,
    Retrain._tag,
    encodePayload(Retrain, payload),
  )
  return succeed({ runId, created })
}
