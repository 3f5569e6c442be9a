// Sends a file of preference rows or comparisons to the gateway. Chunks are named by their content, so that a file sent
// again, wholly or from where it was cut off, has one effect.
import { createReadStream } from "node:fs"
import { createGunzip } from "node:zlib"
import { Effect, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { sha256 } from "#gpu-runner/data/files.ts"
import type { BulkReport } from "#shared/api/comparisons.ts"
import { type GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { toCallFailure, whenReachable } from "./call-failure.ts"

/** A chunk ends at the first line end after this many bytes; the gateway takes 32 MiB. */
const CHUNK_BYTES = 4 * 1024 * 1024
const REPORTED_LINES = 20

export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  message: Schema.String,
}) {}

export interface ImportOptions extends GatewayAddress {
  readonly datasetId: string
  /** JSON Lines, plain or gzip (by the name's end). */
  readonly file: string
  readonly format: "rows" | "comparisons"
  readonly onProgress: (report: ImportReport) => void
  /** Every call that found the gateway away, with why; it is repeated until the gateway is there. */
  readonly onUnavailable?: (message: string) => void
}

export interface ImportReport {
  readonly lines: number
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: number
  /** The first rejected lines (counted from 1 in the file), with the gateway's words. */
  readonly problems: readonly { readonly line: number; readonly problem: string }[]
}

interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Lines of the file before this chunk. */
  readonly linesBefore: number
  readonly lines: number
}

const countLines = (bytes: Uint8Array): number => {
  let lines = bytes.length > 0 && bytes.at(-1) !== 10 ? 1 : 0
  for (const byte of bytes) if (byte === 10) lines += 1
  return lines
}

/** Whole lines, about CHUNK_BYTES at a time. Always the same chunks for the same file. */
async function* chunksOf(file: string): AsyncGenerator<Chunk> {
  const raw = createReadStream(file)
  const stream = file.endsWith(".gz") ? raw.pipe(createGunzip()) : raw
  raw.on("error", (error) => stream.destroy(error))
  let rest = Buffer.alloc(0)
  let linesBefore = 0
  const take = (length: number): Chunk => {
    const bytes = new Uint8Array(rest.subarray(0, length))
    rest = rest.subarray(length)
    const chunk = { bytes, linesBefore, lines: countLines(bytes) }
    linesBefore += chunk.lines
    return chunk
  }
  for await (const part of stream) {
    rest = Buffer.concat([rest, part as Buffer])
    while (rest.length >= CHUNK_BYTES) {
      const end = rest.indexOf(10, CHUNK_BYTES - 1)
      if (end < 0) break
      yield take(end + 1)
    }
  }
  if (rest.length > 0) yield take(rest.length)
}

const EMPTY: ImportReport = { lines: 0, accepted: 0, duplicates: 0, rejected: 0, problems: [] }

const plus = (total: ImportReport, chunk: Chunk, report: BulkReport): ImportReport => ({
  lines: total.lines + chunk.lines,
  accepted: total.accepted + report.accepted,
  duplicates: total.duplicates + report.duplicates,
  rejected: total.rejected + report.rejectedLines,
  problems: [
    ...total.problems,
    ...report.rejected.map(({ line, problem }) => ({
      line: chunk.linesBefore + line,
      problem: problem.detail ?? problem.title,
    })),
  ].slice(0, REPORTED_LINES),
})

/** Sends the whole file. Fails with FileUnreadable, CallRefused (the gateway's words) or GatewayUnavailable. */
export const importFile = Effect.fn("importFile")(function* (options: ImportOptions) {
  const client = yield* makeApiClient(options)
  const chunks = chunksOf(options.file)
  let total = EMPTY
  for (;;) {
    const next = yield* Effect.tryPromise({
      try: () => chunks.next(),
      catch: (cause) =>
        new FileUnreadable({ message: `${options.file}: ${cause instanceof Error ? cause.message : String(cause)}` }),
    })
    if (next.done === true) return total
    const chunk = next.value
    const report = yield* client.comparisons
      .createMany({
        params: { id: options.datasetId },
        query: { format: options.format },
        headers: { "idempotency-key": `import-${options.format}-${chunk.linesBefore}-${sha256(chunk.bytes)}` },
        payload: chunk.bytes,
      })
      .pipe(
        Effect.mapError(toCallFailure),
        Effect.tapError((failure) =>
          Effect.sync(() => {
            if (failure._tag === "GatewayUnavailable") options.onUnavailable?.(failure.message)
          }),
        ),
        whenReachable,
      )
    total = plus(total, chunk, report)
    options.onProgress(total)
  }
}, Effect.provide(FetchHttpClient.layer))
