// Registered models, read from the read model; the orchestrator's registry is what writes them.
import { Context, Effect, Layer, Schema } from "effect"
import { ReferenceModelUnusable } from "#shared/api/problems.ts"
import type { ModelReference } from "#shared/domain/Dataset.ts"
import { Files } from "#shared/domain/Files.ts"
import { HubSource, type ModelKind, type ModelVersion, missingOfModel } from "#shared/domain/Model.ts"
import { Database } from "./Database.ts"

interface Row {
  readonly name: string
  readonly version: number
  readonly kind: ModelKind
  readonly digest: string
  readonly files: string
  readonly base_name: string | null
  readonly base_version: number | null
  readonly source: string | null
  readonly run_id: string | null
  readonly metrics: string
  readonly created_at: number
}

const decodeFiles = Schema.decodeUnknownSync(Schema.fromJsonString(Files))
const decodeSource = Schema.decodeUnknownSync(Schema.fromJsonString(HubSource))
const decodeMetrics = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const versionOf = (row: Row): ModelVersion => ({
  name: row.name,
  version: row.version,
  kind: row.kind,
  digest: row.digest,
  files: decodeFiles(row.files),
  ...(row.base_name === null || row.base_version === null
    ? {}
    : { base: { name: row.base_name, version: row.base_version } }),
  ...(row.source === null ? {} : { source: decodeSource(row.source) }),
  ...(row.run_id === null ? {} : { runId: row.run_id }),
  metrics: decodeMetrics(row.metrics),
  createdAt: row.created_at,
})

interface Summary {
  readonly name: string
  readonly kind: ModelKind
  readonly newestVersion: number
}

export class Models extends Context.Service<
  Models,
  {
    readonly list: Effect.Effect<readonly Summary[]>
    /** Oldest first; empty when there is no such model. */
    readonly versions: (name: string) => Effect.Effect<readonly ModelVersion[]>
    /** Whether a base model has the name: what runs train cannot be registered under it. */
    readonly isBase: (name: string) => Effect.Effect<boolean>
    /** A registered base model with all its files; its newest version where none is named. */
    readonly completeBase: (wanted: {
      readonly name: string
      readonly version?: number
    }) => Effect.Effect<ModelReference, ReferenceModelUnusable>
  }
>()("yohaku/gateway/Models") {
  static readonly layer = Layer.effect(
    Models,
    Effect.map(Database, (database) => {
      const versions = (name: string) =>
        database
          .all<Row>("SELECT * FROM models WHERE name = ? ORDER BY version", name)
          .pipe(Effect.map((rows) => rows.map(versionOf)))
      const unusable = (detail: string) => new ReferenceModelUnusable({ detail })
      return Models.of({
        list: database.all<Summary>(
          "SELECT name, kind, max(version) AS newestVersion FROM models GROUP BY name ORDER BY name",
        ),
        versions,
        isBase: (name) => Effect.map(versions(name), ([first]) => first?.kind === "base"),
        completeBase: Effect.fnUntraced(function* ({ name, version }) {
          const bases = (yield* versions(name)).filter(({ kind }) => kind === "base")
          const found = version === undefined ? bases.at(-1) : bases.find((base) => base.version === version)
          if (found === undefined) {
            const which = version === undefined ? JSON.stringify(name) : `${JSON.stringify(name)} version ${version}`
            return yield* unusable(`There is no base model ${which}; register it with POST /v1/models.`)
          }
          const missing = missingOfModel(found.files)
          return missing.length === 0
            ? { name, version: found.version }
            : yield* unusable(`The model lacks ${missing.join(", ")}; register a version that has them.`)
        }),
      })
    }),
  )
}
