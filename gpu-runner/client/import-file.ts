// Sends a file of preference rows or comparisons to the gateway. Chunks are named by their content, so that a file sent
// again, wholly or from where it was cut off, has one effect.
import { Effect, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { sha256 } from "#gpu-runner/data/files.ts"
import type { DataReadingOptions } from "#gpu-runner/data/rows/preference-file.ts"
import type { BulkReport } from "#shared/api/comparisons.ts"
import { type GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { toCallFailure, whenReachable } from "./call-failure.ts"
import { type Chunk, checkImport, chunksOf, type ImportFormat, importLines, noFindings } from "./import-lines.ts"

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
  readonly reading?: DataReadingOptions
  readonly onProgress: (report: ImportReport) => void
  /** Every call that found the gateway away, with why; it is repeated until the gateway is there. */
  readonly onUnavailable?: (message: string) => void
}

export interface ImportReport {
  /** Records of the source that were read. */
  readonly lines: number
  readonly accepted: number
  readonly duplicates: number
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

const plus = (total: Counts, { places, faults }: Chunk, report: BulkReport): Counts => ({
  accepted: total.accepted + report.accepted,
  duplicates: total.duplicates + report.duplicates,
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
  const { file, format, reading: how = {} } = options
  if (format === "rows") yield* reading(() => checkImport(file, how))
  const findings = noFindings()
  const chunks = chunksOf(importLines(file, format, how, findings))
  let counts: Counts = { accepted: 0, duplicates: 0, rejected: 0, problems: [] }
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
    const answer = chunk.places.length === 0 ? NOTHING : yield* sent(client, options, chunk)
    counts = plus(counts, chunk, answer)
    options.onProgress(report())
  }
}, Effect.provide(FetchHttpClient.layer))

type Client = Effect.Success<ReturnType<typeof makeApiClient>>

const sent = (client: Client, { datasetId, format, onUnavailable }: ImportOptions, { bytes, linesBefore }: Chunk) =>
  client.comparisons
    .createMany({
      params: { id: datasetId },
      query: { format: "comparisons" },
      headers: { "idempotency-key": `import-${format}-${linesBefore}-${sha256(bytes)}` },
      payload: bytes,
    })
    .pipe(
      Effect.mapError(toCallFailure),
      Effect.tapError((failure) =>
        Effect.sync(() => {
          if (failure._tag === "GatewayUnavailable") onUnavailable?.(failure.message)
        }),
      ),
      whenReachable,
    )
