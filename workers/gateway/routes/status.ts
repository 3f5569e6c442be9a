// What this is, whether it is alive, and how far it is: /, /healthz and /v1/status
import { Clock, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { Database } from "../storage/Database.ts"
import { byStatus } from "../storage/Datasets.ts"

interface StatusCount {
  readonly status: string
  readonly count: number
}

const INDEX = {
  name: "yohaku",
  about: "Preferences in, adapters out: the HTTP API of a Yohaku gateway.",
  openapi: "/openapi.json",
  health: "/healthz",
  status: "/v1/status",
  documentation: "docs/api.md in the repository; everything below /v1 needs an API key",
} as const

const INDEX_PAGE = `<!doctype html><title>Yohaku</title><p>${INDEX.about}</p><p><a href="${INDEX.openapi}">OpenAPI</a>, <a href="${INDEX.health}">health</a>; ${INDEX.documentation}.</p>\n`

export const StatusLayer = HttpApiBuilder.group(
  YohakuApi,
  "status",
  Effect.fnUntraced(function* (handlers) {
    const database = yield* Database
    const total = (table: "datasets WHERE deleted_at IS NULL" | "models") =>
      Effect.map(database.first<{ count: number }>(`SELECT count(*) AS count FROM ${table}`), (row) => row?.count ?? 0)
    const counters = (table: "scorer_counters" | "sweep_counters") =>
      Effect.map(database.all<{ name: string; value: number }>(`SELECT name, value FROM ${table}`), (rows) =>
        Object.fromEntries(rows.map(({ name, value }) => [name, value])),
      )
    const counts = (table: "comparisons" | "pairs WHERE side = 0" | "runs" | "evaluations") =>
      Effect.map(database.all<StatusCount>(`SELECT status, count(*) AS count FROM ${table} GROUP BY status`), byStatus)
    const outbox = Effect.fnUntraced(function* () {
      const row = yield* database.first<{ waiting: number; unsent: number; oldest: number | null }>(
        "SELECT count(*) AS waiting, coalesce(sum(sent_at IS NULL), 0) AS unsent, min(created_at) AS oldest FROM outbox",
      )
      const oldest = row?.oldest ?? null
      const oldestAgeMs = oldest === null ? null : Math.max(0, (yield* Clock.currentTimeMillis) - oldest)
      return { waiting: row?.waiting ?? 0, unsent: row?.unsent ?? 0, oldestAgeMs }
    })

    return handlers
      .handle("index", ({ request }) =>
        Effect.succeed(request.headers.accept?.includes("text/html") ? INDEX_PAGE : INDEX),
      )
      .handle("health", () => Effect.succeed({ status: "ok" as const }))
      .handle("status", () =>
        Effect.all({
          datasets: total("datasets WHERE deleted_at IS NULL"),
          comparisons: counts("comparisons"),
          pairs: counts("pairs WHERE side = 0"),
          runs: counts("runs"),
          evaluations: counts("evaluations"),
          models: total("models"),
          outbox: outbox(),
          scorer: counters("scorer_counters"),
          sweeps: counters("sweep_counters"),
        }),
      )
  }),
)
