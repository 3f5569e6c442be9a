// How production stands against what it served before and against its base, worked out of the rows of its run and of the evaluations that held
// them against each other. Nothing is stored for it, so that a rollback or another promotion is another question to the same rows.
import { Effect, Schema } from "effect"
import type { ChannelPointer, ModelVersion } from "#shared/domain/Model.ts"
import type { ModelReference } from "#shared/domain/ModelReference.ts"
import { type PastEvaluation, type Watch, watchOf } from "#shared/domain/Watch.ts"
import { WinRate } from "#shared/domain/WinRate.ts"
import { type EvaluationRow, evaluationOfRow } from "#shared/wire/evaluation-row.ts"
import { Database } from "./Database.ts"

/** Evidence is multiplied from the first on, so that the newest are what is left out of very many. */
const MOST_EVALUATIONS = 200

interface RunRow {
  readonly prompts: string | null
  /** JSON: [winRate, winRateOverBase]. */
  readonly rates: string
}

const decodeRates = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Schema.NullOr(WinRate))))

/** The evaluation that its own run made before it was promoted. */
const ownEvaluation = Effect.fnUntraced(function* ({ name, version, runId }: ModelVersion) {
  const { first } = yield* Database
  if (runId === undefined) return []
  const row = yield* first<RunRow>(
    `SELECT json_extract(detail, '$.evaluate.answers.prompts') AS prompts,
            json_array(json_extract(detail, '$.evaluate.winRate'), json_extract(detail, '$.evaluate.winRateOverBase')) AS rates
       FROM runs WHERE id = ?`,
    runId,
  )
  if (row === undefined || row.prompts === null) return []
  const winRates = decodeRates(row.rates).filter((rate) => rate !== null)
  return [{ id: runId, model: { name, version }, prompts: row.prompts, winRates }]
})

/** That held two of these models against each other, whichever was the candidate: in the order in which they ended, so that none comes in between later. */
const laterEvaluations = Effect.fnUntraced(function* (models: readonly ModelReference[]) {
  const { all } = yield* Database
  const rows = yield* all<EvaluationRow>(
    `WITH watched AS (SELECT json_extract(value, '$.name') AS name, json_extract(value, '$.version') AS version FROM json_each(?))
     SELECT * FROM evaluations
      WHERE status = 'succeeded' AND (model_name, version) IN (SELECT name, version FROM watched)
        AND EXISTS (SELECT 1 FROM json_each(detail, '$.judge.winRates') rate JOIN watched
                     ON watched.name = json_extract(rate.value, '$.against.name')
                    AND watched.version = json_extract(rate.value, '$.against.version'))
      ORDER BY updated_at, id LIMIT ${MOST_EVALUATIONS}`,
    JSON.stringify(models),
  )
  return rows.map(evaluationOfRow).map(({ id, model, prompts, detail }): PastEvaluation => {
    return { id, model, prompts, winRates: detail.judge?.winRates ?? [] }
  })
})

/** Against what production served before, then against its base; without those that no evaluation held against it. */
export const productionWatch = Effect.fnUntraced(function* (
  versions: readonly ModelVersion[],
  channels: readonly ChannelPointer[],
) {
  const pointer = channels.find(({ channel }) => channel === "production")
  const served = versions.find(({ version }) => version === pointer?.version)
  if (pointer === undefined || served === undefined) return []
  const { name, previousVersion } = pointer
  const others: ModelReference[] = [
    ...(previousVersion === undefined ? [] : [{ name, version: previousVersion }]),
    ...(served.base === undefined ? [] : [served.base]),
  ]
  const production = { name, version: served.version }
  // Nothing else can have been held against it before its own run made it.
  const past = [...(yield* ownEvaluation(served)), ...(yield* laterEvaluations([production, ...others]))]
  return others.flatMap((against): Watch[] => {
    const watch = watchOf(production, against, past)
    return watch === undefined ? [] : [watch]
  })
})
