// D1. A failure of D1 itself is a defect, which the boundary answers as 503; a violated uniqueness is an error to handle.
import { Context, Effect, Layer, Schema } from "effect"
import { Environment } from "../Environment.ts"

/** D1, R2, a Durable Object or another worker did not do what it was asked. The same request may succeed later. */
export class PartUnavailable extends Schema.TaggedError<PartUnavailable>()("PartUnavailable", {
  part: Schema.String,
  cause: Schema.Defect(),
}) {
  override get message(): string {
    return `${this.part} failed: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** The dataset was deleted since the request was let in; nothing of the batch was written. */
export class DatasetDeleted extends Schema.TaggedError<DatasetDeleted>()("DatasetDeleted", {}) {}

/** A row with the same key exists; nothing of the batch was written. */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>()("AlreadyExists", { table: Schema.String }) {}

/** Runs a promise of a platform part; its rejection becomes a `PartUnavailable` defect. */
export const ask = <A>(part: string, run: () => Promise<A>): Effect.Effect<A> =>
  Effect.orDie(Effect.tryPromise({ try: run, catch: (cause) => new PartUnavailable({ part, cause }) }))

export type Parameter = string | number | null

/** What the triggers of the migrations say. */
const isOfDeleted = (cause: unknown): boolean => cause instanceof Error && cause.message.includes("dataset is deleted")

const violatedTable = (cause: unknown): string | undefined =>
  /UNIQUE constraint failed: (\w+)\./.exec(cause instanceof Error ? cause.message : "")?.[1]

export class Database extends Context.Service<
  Database,
  {
    readonly prepare: (sql: string, ...parameters: readonly Parameter[]) => D1PreparedStatement
    readonly all: <Row>(sql: string, ...parameters: readonly Parameter[]) => Effect.Effect<readonly Row[]>
    readonly first: <Row>(sql: string, ...parameters: readonly Parameter[]) => Effect.Effect<Row | undefined>
    /** All statements in one transaction, or none. */
    readonly batch: (statements: readonly D1PreparedStatement[]) => Effect.Effect<readonly D1Result[], AlreadyExists>
  }
>()("yohaku/gateway/Database") {
  static readonly layer = Layer.effect(
    Database,
    Effect.map(Environment, ({ DB }) => {
      const prepare = (sql: string, ...parameters: readonly Parameter[]) => DB.prepare(sql).bind(...parameters)
      return Database.of({
        prepare,
        all: <Row>(sql: string, ...parameters: readonly Parameter[]) =>
          ask("D1", async () => (await prepare(sql, ...parameters).all<Row>()).results),
        first: <Row>(sql: string, ...parameters: readonly Parameter[]) =>
          ask("D1", async () => (await prepare(sql, ...parameters).first<Row>()) ?? undefined),
        batch: (statements) =>
          Effect.tryPromise({
            try: () => DB.batch([...statements]),
            catch: (cause) => {
              if (isOfDeleted(cause)) return new DatasetDeleted()
              const table = violatedTable(cause)
              return table === undefined ? new PartUnavailable({ part: "D1", cause }) : new AlreadyExists({ table })
            },
          }).pipe(Effect.catchTags({ PartUnavailable: Effect.die, DatasetDeleted: Effect.die })),
      })
    }),
  )
}
