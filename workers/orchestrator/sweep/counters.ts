// What sweeps did, counted since the deployment began: GET /v1/status shows it.

type Counter = "datasets_deleted" | "blobs_deleted" | "runs_forgotten" | "metrics_forgotten"

/** A statement that adds to a counter. */
export const count = (db: D1Database, name: Counter, by: number): D1PreparedStatement =>
  db
    .prepare(
      "INSERT INTO sweep_counters (name, value) SELECT ?1, ?2 WHERE ?2 > 0 ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
    )
    .bind(name, by)
