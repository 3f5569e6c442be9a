// Starts a run. The execution's id is derived from dataset and key, and a trigger that another's run answers is remembered, so that the
// same trigger again is the same run for ever, whatever has become of it; everything that the run depends on is pinned here, so that its
// replays see what its first start saw.
import { Effect, Schema } from "effect"
import { contradictionOf } from "#shared/domain/adapter-options.ts"
import { ModelName, type Reference } from "#shared/domain/Dataset.ts"
import { Files } from "#shared/domain/Files.ts"
import { HubSource } from "#shared/domain/Model.ts"
import { DEFAULT_RUN_LIMITS, RunLimits, tooManySteps } from "#shared/domain/RunLimits.ts"
import { unservableConfig, unservableLength } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { DEFAULT_REFERENCE_PRECISION, fingerprintPrecision } from "#shared/formats/weights/reference-precision.ts"
import { GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import type { RpcResult, TriggeredRun, TriggerInput } from "#shared/wire/services.ts"
import { Retrain, type RetrainPayload } from "#shared/workflows/retrain.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { encodePayload } from "../engine/durable-engine.ts"
import { gateLimits } from "../retrain/gate-limits.ts"
import { gatesOf } from "../retrain/gates.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { findIdentical, findRunning, fingerprintOf } from "./identical.ts"
import { claimRun, findAnswer, findRun, recordAnswer } from "./run-rows.ts"
import { adapterToStartFrom } from "./start-from.ts"

const MAX_KEY_CHARACTERS = 512
/** A comparison that is not in order waits for days; a batch of good ones takes seconds. */
const INGEST_WAIT_MS = 60_000

interface DatasetColumns {
  readonly retrain_config: string
  readonly run_limits: string | null
  readonly gates: string | null
  readonly max_length: number
  readonly reference_place: Reference["place"] | null
  readonly reference_precision: Reference["precision"] | null
  readonly name: string
  readonly version: number
  readonly files: string | null
  readonly source: string | null
}

const findDataset = (db: D1Database, id: string): Promise<DatasetColumns | null> =>
  db
    .prepare(
      `SELECT d.retrain_config, d.run_limits, d.gates, d.max_length, d.reference_place, d.reference_precision, d.reference_model AS name, d.reference_version AS version, m.files, m.source
         FROM datasets d LEFT JOIN models m
           ON m.name = d.reference_model AND m.version = d.reference_version AND m.kind = 'base'
        WHERE d.id = ? AND d.deleted_at IS NULL`,
    )
    .bind(id)
    .first<DatasetColumns>()

/** Keys of a dataset that had runs and is gone are not those of the next one of its id. */
const keyOf = async (db: D1Database, { datasetId, key }: Pick<TriggerInput, "datasetId" | "key">): Promise<string> => {
  const before = await db
    .prepare("SELECT max(deleted_at) AS at FROM datasets WHERE deleted_id = ?")
    .bind(datasetId)
    .first<number | null>("at")
  return before === null ? key : `${before}:${key}`
}

const isNameOfBase = async (db: D1Database, name: string): Promise<boolean> =>
  (await db.prepare("SELECT 1 FROM models WHERE name = ? AND kind = 'base' LIMIT 1").bind(name).first()) !== null

const decodeFiles = Schema.decodeUnknownSync(Schema.fromJsonString(Files))
const decodeSource = Schema.decodeUnknownSync(Schema.fromJsonString(HubSource))
const decodeLimits = Schema.decodeUnknownSync(Schema.fromJsonString(RunLimits))
const decodeGates = Schema.decodeUnknownSync(Schema.fromJsonString(GatesDeclaration))
const isModelName = Schema.is(ModelName)

const invalid = (message: string): RpcResult<never> => refuse("Invalid", message)

/** What the edge computes of the weights as stored is not said: so it was before there was anything else. */
const referenceOf = ({ reference_place, reference_precision }: DatasetColumns) => {
  const [place, precision] = [reference_place ?? "edge", reference_precision ?? DEFAULT_REFERENCE_PRECISION]
  const isOfStored = fingerprintPrecision(precision) === fingerprintPrecision(DEFAULT_REFERENCE_PRECISION)
  return place === "edge" && isOfStored ? {} : { reference: { place, precision } }
}

/** The run's pinned input, or why there can be no run. */
const prepare = async (env: Environment, input: TriggerInput): Promise<RpcResult<RetrainPayload>> => {
  const { datasetId, key, trigger, promotion = "automatic", modelName = datasetId, waitForIngest = true } = input
  const dataset = await findDataset(env.DB, datasetId)
  if (dataset === null) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  const { name, version, files, source, max_length: maxLength } = dataset
  if (files === null)
    return invalid(`the dataset's base model "${name}" version ${version} is not registered; register it`)
  const base = {
    name,
    version,
    files: decodeFiles(files),
    ...(source === null ? {} : { source: decodeSource(source) }),
  }
  const start = input.startFrom === undefined ? undefined : await adapterToStartFrom(env, input.startFrom, base)
  if (start?.ok === false) return start
  const { options, startFrom } = start?.value ?? {}
  const contradiction = contradictionOf(options ?? {}, input.config ?? {}, "the adapter of startFrom")
  if (contradiction !== undefined) return invalid(contradiction)
  const ofDataset = { maxLength, ...JSON.parse(dataset.retrain_config), ...options }
  const config = decodeTrainConfig(input.config ?? {}, ofDataset)
  if (config._tag === "Failure") return invalid(config.failure.message)
  const unservable = unservableConfig(config.success) ?? unservableLength(config.success.maxLength, maxLength)
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
    base,
    ...(startFrom === undefined ? {} : { startFrom }),
    ...referenceOf(dataset),
    gates: gatesOf(gateLimits(env), decodeGates(dataset.gates ?? "{}")),
    ...{ maxLength, limits },
    ...(waitForIngest ? { ingestWaitMs: INGEST_WAIT_MS } : {}),
    createdAt: Date.now(),
  })
}

/** Between two looks another trigger was quicker: one that goes on so for ever would be a fault. */
const MOST_LOOKS = 20

/**
 * The run that this trigger has, or one under way that trains the same, unless it is to be another; else `triggerId`, whose row is there
 * then. A threshold's key is of the dataset's last run, not of a delivery: what answers it is not remembered, because it would answer
 * for ever where that run is older than the last.
 */
const claim = async (
  env: Environment,
  triggerId: string,
  payload: RetrainPayload,
  isForced: boolean,
): Promise<string> => {
  const { DB } = env
  const fingerprint = await fingerprintOf(payload)
  for (let look = 0; look < MOST_LOOKS; look++) {
    const answer = await findAnswer(DB, triggerId)
    if (answer !== undefined) return answer
    const running = isForced ? [] : await findRunning(DB, fingerprint)
    const identical = await findIdentical(env, payload, running)
    const seen = isForced ? undefined : running.map(({ id }) => id)
    if (identical === undefined) {
      if (await claimRun(DB, triggerId, payload, { fingerprint, seen })) return triggerId
    } else if (payload.trigger === "threshold" || (await recordAnswer(DB, triggerId, identical))) return identical
  }
  throw new Error(`other triggers of "${payload.datasetId}" were quicker ${MOST_LOOKS} times`)
}

/** A payload for its id alone, which is of dataset and key. */
const NOTHING_ELSE: Omit<RetrainPayload, "datasetId" | "key"> = {
  ...{ trigger: "api", config: {}, promotion: "never", modelName: "none", createdAt: 0 },
  base: { name: "none", version: 1, files: {} },
  gates: { minimumGain: 0, productionTolerance: 0, driftPerToken: 0 },
}

/** The id of the run that a trigger begins, if it begins one. */
export const runIdOf = ({ datasetId, key }: Pick<TriggerInput, "datasetId" | "key">): Promise<string> =>
  Effect.runPromise(Retrain.executionId({ ...NOTHING_ELSE, datasetId, key }))

/** A run that a trigger did not begin now, and how it ended, where it has. */
const asItIs = async ({ DB }: Environment, runId: string): Promise<TriggeredRun> => {
  const { status, error } = (await findRun(DB, runId)) ?? {}
  if (status === undefined || status === "running") return { runId, created: false }
  return { runId, created: false, status, ...(error === undefined ? {} : { error }) }
}

/** Starts the run, or finds the one that this trigger has, or one under way that trains the same, unless it is to be another. */
export const triggerRun = async (env: Environment, given: TriggerInput): Promise<RpcResult<TriggeredRun>> => {
  if (given.key === "" || given.key.length > MAX_KEY_CHARACTERS)
    return invalid(`the key of a run has 1 to ${MAX_KEY_CHARACTERS} characters`)
  const input = { ...given, key: await keyOf(env.DB, given) }
  const ownId = await runIdOf(input)
  const prepared = await prepare(env, input)
  if (!prepared.ok) {
    // What could not be started today may have been once: the trigger has that run still.
    const answer = await findAnswer(env.DB, ownId)
    return answer === undefined ? prepared : succeed(await asItIs(env, answer))
  }
  const payload = prepared.value
  // Before the row too: if this process dies behind it, nobody else would look at it, and it stands in the way of others.
  await poolOf(env).keepSweeping()
  const runId = await claim(env, ownId, payload, input.force === true)
  await poolOf(env).keepSweeping()
  const found = await asItIs(env, runId)
  if (runId !== ownId || found.status !== undefined) return succeed(found)
  // First the row, which is the claim; then the journal, which runs by itself from here on. Where this process dies in between, the
  // repetition of the request begins the journal, or the sweep ends the row, and it stays ended.
  const { created } = await env.WORKFLOW_RUN.getByName(runId).start(
    runId,
    Retrain._tag,
    encodePayload(Retrain, payload),
  )
  return succeed({ runId, created })
}
