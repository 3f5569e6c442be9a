// Sends a file of preference rows or comparisons to the gateway. What was sent before is a duplicate there, so that a file sent
// again, wholly or from where it was cut off, has one effect.
import { randomUUID } from "node:crypto"
import { Effect, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { sha256 } from "#gpu-runner/data/files.ts"
import type { BulkReport } from "#shared/api/comparisons.ts"
import { type GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { patiently } from "./call-failure.ts"
import {
  type Chunk,
  checkImport,
  chunksOf,
  type ImportFormat,
  type ImportReading,
  importLines,
  noFindings,
} from "./import-lines.ts"

const REPORTED_LINES = 20

export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  message: Schema.String,
}) {}

export interface ImportOptions extends GatewayAddress {
  readonly datasetId: string
  /** A data file of any accepted container, a folder of them, or a pattern. */
  readonly file: string
  readonly format: ImportFormat
  /** How preference rows are read. */
  readonly reading?: ImportReading
  readonly onProgress: (report: ImportReport) => void
}

export interface ImportReport {
  /** Records of the source that were read. */
  readonly lines: number
  readonly accepted: number
  readonly duplicates: number
  /** Judgements that a later one of the same name took the place of. */
  readonly superseded: number
  /** Judgements that counted, of records that state nothing any more. */
  readonly retracted: number
  /** Here, since the row cannot be used, or by the gateway. */
  readonly rejected: number
  /** The first rejected lines (counted from 1 in the file), with the reason. */
  readonly problems: readonly { readonly file: string; readonly line: number; readonly problem: string }[]
  /** Parts of records that state no pair (ties, drafts, empty answers), by reason. */
  readonly dropped: Readonly<Record<string, number>>
  /** Fields that nobody read. */
  readonly ignoredColumns: readonly string[]
}

const NOTHING: BulkReport = { accepted: 0, duplicates: 0, rejectedLines: 0, rejected: [] }

type Counts = Omit<ImportReport, "dropped" | "ignoredColumns" | "lines">

const plus = (total: Counts, { places, faults }: Chunk, report: BulkReport, retracted: number): Counts => ({
  accepted: total.accepted + report.accepted,
  duplicates: total.duplicates + report.duplicates,
  superseded: total.superseded + (report.superseded ?? 0),
  retracted: total.retracted + retracted,
  rejected: total.rejected + report.rejectedLines + faults.length,
  problems: [
    ...total.problems,
    ...[
      ...faults.map(({ place: { file, line }, fault }) => ({ file, line, problem: fault })),
      ...report.rejected.map(({ line, problem }) => {
        const place = places[line - 1]!
        return { file: place.file, line: place.line, problem: problem.detail ?? problem.title }
      }),
    ].sort((a, b) => (a.file === b.file ? a.line - b.line : 0)),
  ].slice(0, REPORTED_LINES),
})

const reading = <A>(read: () => Promise<A>) =>
  Effect.tryPromise({
    try: read,
    catch: (cause) => new FileUnreadable({ message: cause instanceof Error ? cause.message : String(cause) }),
  })

/**
 * Sends the whole file, after it was read once to see that it can be. Fails with FileUnreadable (also where too many rows are bad),
 * CallRefused (the gateway's words) or GatewayUnavailable.
 */
export const importFile = Effect.fn("importFile")(function* (options: ImportOptions) {
  const client = yield* makeApiClient(options)
  const session = randomUUID()
  const { file, format, reading: how = {} } = options
  if (format === "rows") yield* reading(() => checkImport(file, how))
  const findings = noFindings()
  const chunks = chunksOf(importLines(file, format, how, findings))
  let counts: Counts = { accepted: 0, duplicates: 0, superseded: 0, retracted: 0, rejected: 0, problems: [] }
  const report = (): ImportReport => ({
    lines: findings.records,
    ...counts,
    dropped: findings.dropped,
    ignoredColumns: [...findings.unread],
  })
  for (;;) {
    const next = yield* reading(() => chunks.next())
    if (next.done === true) return report()
    const chunk = next.value
    const answer = chunk.places.length === 0 ? NOTHING : yield* sent(client, options, session, chunk)
    const retracted = chunk.retractions.length === 0 ? 0 : yield* takenBack(client, options, session, chunk)
    counts = plus(counts, chunk, answer, retracted)
    options.onProgress(report())
  }
}, Effect.provide(FetchHttpClient.layer))

type Client = Effect.Success<ReturnType<typeof makeApiClient>>

/**
 * A chunk is repeated under its key within one import. The next import has its own: a kept answer would say that something was
 * accepted which has been replaced since. That nothing counts twice is the comparisons' own doing.
 */
const sent = (client: Client, options: ImportOptions, session: string, { bytes, linesBefore }: Chunk) =>
  patiently(
    client.comparisons.createMany({
      params: { id: options.datasetId },
      query: { format: "comparisons" },
      headers: { "idempotency-key": `import-${options.format}-${session}-${linesBefore}-${sha256(bytes)}` },
      payload: bytes,
    }),
  )

/** How many judgements counted until now. */
const takenBack = (client: Client, options: ImportOptions, session: string, { linesBefore, retractions }: Chunk) =>
  patiently(
    client.comparisons.retract({
      params: { id: options.datasetId },
      headers: { "idempotency-key": `import-over-${session}-${linesBefore}-${sha256(JSON.stringify(retractions))}` },
      payload: { retractions },
    }),
  ).pipe(Effect.map(({ retracted }) => retracted))
