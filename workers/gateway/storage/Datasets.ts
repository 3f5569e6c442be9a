// Datasets and their counts.
import { Clock, Context, Effect, Layer, Schema } from "effect"
import type { DatasetChange, DatasetDeletion } from "#shared/api/datasets.ts"
import { type Conflict, DatasetNotFound } from "#shared/api/problems.ts"
import type { Dataset, DatasetCounts, NearRepeats, Reference } from "#shared/domain/Dataset.ts"
import { EvaluationSettings } from "#shared/domain/EvaluationSettings.ts"
import { RunLimits } from "#shared/domain/RunLimits.ts"
import { DEFAULT_SPLIT_VOTES, type SplitVotes } from "#shared/domain/SplitVotes.ts"
import { DEFAULT_REFERENCE_PRECISION } from "#shared/formats/weights/reference-precision.ts"
import { GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import { askLook } from "#shared/wire/asked-look.ts"
import { beginDerivation, derivationOf } from "../outbox/derive-again.ts"
import { Database } from "./Database.ts"
import { countNearRepeats } from "./near-repeats.ts"
import { type Cursor, readPage, type StoredPage } from "./paging.ts"
import { removeDataset } from "./remove-dataset.ts"
import { countVotes } from "./vote-counts.ts"

interface Row {
  readonly id: string
  readonly reference_model: string
  readonly reference_version: number
  readonly max_length: number
  readonly retrain_threshold: number | null
  readonly retrain_config: string
  readonly created_at: number
  readonly prompt_form: Dataset["promptForm"] | null
  readonly system_text: string | null
  readonly quiet_seconds: number | null
  readonly run_limits: string | null
  readonly gates: string | null
  readonly split_votes: SplitVotes | null
  readonly deriving: string | null
  readonly settings_version: number
  readonly reference_place: Reference["place"] | null
  readonly reference_why: string | null
  readonly reference_precision: Reference["precision"] | null
  readonly evaluation: string | null
}

const decodeConfig = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const decodeEvaluation = Schema.decodeUnknownSync(Schema.fromJsonString(EvaluationSettings))
const decodeLimits = Schema.decodeUnknownSync(Schema.fromJsonString(RunLimits))
const decodeGates = Schema.decodeUnknownSync(Schema.fromJsonString(GatesDeclaration))

/** A dataset of before places were decided is the edge's. */
const referenceOf = (row: Row): Reference => ({
  place: row.reference_place ?? "edge",
  why: row.reference_why ?? "when it was made, the edge computed every reference",
  precision: row.reference_precision ?? DEFAULT_REFERENCE_PRECISION,
})

const datasetOf = (row: Row): Dataset => ({
  id: row.id,
  referenceModel: { name: row.reference_model, version: row.reference_version },
  reference: referenceOf(row),
  ...(row.prompt_form ? { promptForm: row.prompt_form } : {}),
  ...(row.system_text === null ? {} : { systemText: row.system_text }),
  maxLength: row.max_length,
  splitVotes: row.split_votes ?? DEFAULT_SPLIT_VOTES,
  ...(row.retrain_threshold === null ? {} : { retrainThreshold: row.retrain_threshold }),
  retrainConfig: decodeConfig(row.retrain_config),
  ...(row.quiet_seconds === null ? {} : { quietSeconds: row.quiet_seconds }),
  ...(row.run_limits === null ? {} : { runLimits: decodeLimits(row.run_limits) }),
  ...(row.evaluation === null ? {} : { evaluation: decodeEvaluation(row.evaluation) }),
  ...(row.gates === null ? {} : { gates: decodeGates(row.gates) }),
  createdAt: row.created_at,
})

const FIND = "SELECT * FROM datasets WHERE id = ? AND deleted_at IS NULL"

export const datasetNotFound = (id: string) =>
  new DatasetNotFound({
    detail: `There is no dataset ${JSON.stringify(id)}; create it with POST /v1/datasets, or look with GET /v1/datasets.`,
  })

/** A change as it is stored: what cannot be absent with what null stands for, and of the reference what was decided. */
export type StoredChange = Omit<DatasetChange, keyof Settled> & Settled

type Settled = Partial<Pick<Dataset, "maxLength" | "splitVotes" | "retrainConfig" | "reference">>

/** The columns that a change sets, and to what. */
const columnsOf = (
  change: StoredChange,
  now: number,
): readonly (readonly [column: string, value: string | number | null])[] => {
  const { splitVotes, maxLength, retrainThreshold, retrainConfig, quietSeconds, runLimits, reference } = change
  const { evaluation, gates } = change
  const columns = [
    ["split_votes", splitVotes],
    ["max_length", maxLength],
    ["deriving", maxLength && beginDerivation(now)],
    ["retrain_threshold", retrainThreshold],
    ["retrain_config", retrainConfig && JSON.stringify(retrainConfig)],
    ["quiet_seconds", quietSeconds],
    ["run_limits", runLimits && JSON.stringify(runLimits)],
    ["evaluation", evaluation && JSON.stringify(evaluation)],
    ["gates", gates && JSON.stringify(gates)],
    ["reference_place", reference?.place],
    ["reference_why", reference?.why],
    ["reference_precision", reference?.precision],
  ] as const
  return columns.flatMap(([column, value]) => (value === undefined ? [] : [[column, value] as const]))
}

/** A dataset as it was read, to decide a change by. */
export interface SeenDataset {
  readonly dataset: Dataset
  readonly version: number
}

interface StatusCount {
  readonly status: string
  readonly count: number
}

/** Counts by status, as an object. */
export const byStatus = (rows: readonly StatusCount[]): Record<string, number> =>
  Object.fromEntries(rows.map(({ status, count }) => [status, count]))

export class Datasets extends Context.Service<
  Datasets,
  {
    readonly get: (id: string) => Effect.Effect<Dataset, DatasetNotFound>
    readonly list: (cursor: Cursor | undefined, limit: number) => Effect.Effect<StoredPage<Dataset>>
    readonly counts: (dataset: Dataset) => Effect.Effect<DatasetCounts>
    readonly deriving: (id: string) => Effect.Effect<{ readonly startedAt: number } | undefined>
    readonly nearRepeats: (id: string) => Effect.Effect<NearRepeats>
    readonly see: (id: string) => Effect.Effect<SeenDataset, DatasetNotFound>
    /** Undefined: the dataset is not as it was seen any more, and nothing was changed. `isLookedAt`: somebody is to look whether a run is due now. */
    readonly change: (
      seen: SeenDataset,
      change: StoredChange,
      isLookedAt: boolean,
    ) => Effect.Effect<Dataset | undefined>
    /** Deletes it; again, says how far that is. Fails with Conflict while a run of it is under way. */
    readonly remove: (id: string) => Effect.Effect<DatasetDeletion, DatasetNotFound | Conflict>
    readonly insertion: (dataset: Dataset) => D1PreparedStatement
  }
>()("yohaku/gateway/Datasets") {
  static readonly layer = Layer.effect(
    Datasets,
    Effect.map(Database, (database) => {
      const see = Effect.fnUntraced(function* (id: string) {
        const row = yield* database.first<Row>(FIND, id)
        if (row === undefined) return yield* datasetNotFound(id)
        return { dataset: datasetOf(row), version: row.settings_version } satisfies SeenDataset
      })
      return Datasets.of({
        see,
        get: (id) => Effect.map(see(id), ({ dataset }) => dataset),
        remove: (id) => removeDataset(database, id),
        list: (cursor, limit) =>
          database
            .all<Row>(
              "SELECT * FROM datasets WHERE deleted_at IS NULL AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?",
              ...(cursor ?? [-1, ""]),
              limit + 1,
            )
            .pipe(Effect.map((rows) => readPage(rows, limit, datasetOf, (row) => [row.created_at, row.id]))),
        counts: Effect.fnUntraced(function* ({ id, splitVotes }) {
          const count = (table: "comparisons" | "pairs", kept = "") =>
            database.all<StatusCount>(
              `SELECT status, count(*) AS count FROM ${table} WHERE dataset_id = ? ${kept} GROUP BY status`,
              id,
            )
          const waiting = yield* database.first<{ count: number }>(
            "SELECT count(*) AS count FROM outbox JOIN comparisons ON comparisons.id = comparison_id WHERE dataset_id = ?",
            id,
          )
          return {
            comparisons: byStatus(yield* count("comparisons")),
            pairs: byStatus(yield* count("pairs", "AND side = 0")),
            waiting: waiting?.count ?? 0,
            ...(yield* countVotes(database, id, splitVotes)),
          }
        }),
        deriving: Effect.fnUntraced(function* (id) {
          const row = yield* database.first<Pick<Row, "deriving">>("SELECT deriving FROM datasets WHERE id = ?", id)
          return row?.deriving ? derivationOf(row.deriving) : undefined
        }),
        change: Effect.fnUntraced(function* ({ dataset, version }, change, isLookedAt) {
          const now = yield* Clock.currentTimeMillis
          const changes = columnsOf(change, now)
          if (changes.length === 0) return dataset
          const columns = changes.map(([column], index) => `${column} = ?${index + 4}`)
          const asked = isLookedAt ? [askLook(String(now))] : []
          const settings = [...columns, ...asked, "settings_version = ?3 + 1"].join(", ")
          const row = yield* database.first<Row>(
            `UPDATE datasets SET ${settings}
              WHERE id = ?1 AND created_at = ?2 AND settings_version = ?3 AND deleted_at IS NULL RETURNING *`,
            ...[dataset.id, dataset.createdAt, version],
            ...changes.map(([, value]) => value),
          )
          return row === undefined ? undefined : datasetOf(row)
        }),
        nearRepeats: (id) => countNearRepeats(database, id),
        insertion: (dataset) =>
          database.prepare(
            `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_threshold, retrain_config, created_at,
                                   prompt_form, system_text, quiet_seconds, run_limits, reference_place, reference_why,
                                   reference_precision, split_votes, evaluation, gates)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
            ...[dataset.id, dataset.referenceModel.name, dataset.referenceModel.version, dataset.maxLength],
            ...[dataset.retrainThreshold ?? null, JSON.stringify(dataset.retrainConfig), dataset.createdAt],
            ...[dataset.promptForm ?? null, dataset.systemText ?? null, dataset.quietSeconds ?? null],
            ...[dataset.runLimits === undefined ? null : JSON.stringify(dataset.runLimits), dataset.reference.place],
            ...[dataset.reference.why, dataset.reference.precision, dataset.splitVotes],
            ...[dataset.evaluation === undefined ? null : JSON.stringify(dataset.evaluation)],
            dataset.gates === undefined ? null : JSON.stringify(dataset.gates),
          ),
      })
    }),
  )
}
