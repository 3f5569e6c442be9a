// A bulk upload: held whole and counted first, so that what is refused is not stored; then written batch by batch, and reported as a
// whole. A bad line is reported and the rest goes on. The report is stored with the last batch; a request that dies before is simply
// sent again, and finds its first batches to be duplicates.
import { Effect, Result } from "effect"
import { BulkReport, type LineProblem } from "#shared/api/comparisons.ts"
import { Caller } from "#shared/api/middleware.ts"
import { InvalidRequest } from "#shared/api/problems.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { checkMedia, checkStatedLength, webRequest } from "../http/bodies.ts"
import { fingerprintOf, idempotencyKeyOf } from "../http/Idempotency.ts"
import { fromApi, storeComparisons } from "../ingest.ts"
import { Relay } from "../outbox/Relay.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import type { Plan } from "../storage/Comparisons.ts"
import { Database } from "../storage/Database.ts"
import { type HeldBody, holdBody } from "./held-body.ts"
import type { Line } from "./lines.ts"
import { parseLine } from "./parse-line.ts"

const MEDIA = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/octet-stream"]

/** What has been read, and what became of it. */
class Tally {
  accepted = 0
  duplicates = 0
  rejectedLines = 0
  readonly rejected: { line: number; problem: LineProblem }[] = []

  reject(line: number, problem: LineProblem): void {
    this.rejectedLines += 1
    if (this.rejected.length < LIMITS.reportedLines) this.rejected.push({ line, problem })
  }

  /** The report as it will stand when this plan is committed. */
  with({ statuses }: Plan): BulkReport {
    const duplicates = statuses.filter((status) => status === "duplicate").length
    return {
      accepted: this.accepted + statuses.length - duplicates,
      duplicates: this.duplicates + duplicates,
      rejectedLines: this.rejectedLines,
      rejected: this.rejected,
    }
  }

  add(plan: Plan): void {
    const { accepted, duplicates } = this.with(plan)
    this.accepted = accepted
    this.duplicates = duplicates
  }
}

/** Comparisons that are to be written together. */
class Batch {
  comparisons: Comparison[] = []
  #bytes = 0

  push(comparison: Comparison, bytes: number): void {
    this.comparisons.push(comparison)
    this.#bytes += bytes
  }

  isFull(): boolean {
    return this.comparisons.length >= LIMITS.comparisonsPerBatch || this.#bytes >= LIMITS.batchBytes
  }
}

const isBlank = ({ bytes }: Line): boolean => bytes?.every((byte) => byte === 0x20 || byte === 0x09) === true

/** Writes all batches but the last, which is returned: it is written together with the report. */
const storeLines = Effect.fnUntraced(function* (
  datasetId: string,
  format: "comparisons" | "rows",
  { lines }: HeldBody,
  tally: Tally,
) {
  const database = yield* Database
  let batch = new Batch()
  for (const line of lines()) {
    if (isBlank(line)) continue
    const parsed = yield* parseLine(line, format)
    if (Result.isFailure(parsed)) {
      tally.reject(line.number, parsed.failure)
      continue
    }
    batch.push(parsed.success, line.bytes?.length ?? 0)
    if (!batch.isFull()) continue
    const full = batch.comparisons
    batch = new Batch()
    const plan = yield* storeComparisons(fromApi(datasetId), full.map(said), (planned) =>
      planned.statements.length === 0
        ? Effect.succeed(planned)
        : Effect.as(database.batch(planned.statements), planned),
    )
    tally.add(plan)
  }
  return batch.comparisons
})

const said = (comparison: Comparison) => ({ comparison })

/** The handler of POST /v1/datasets/{id}/comparisons/bulk. */
export const uploadMany = Effect.fnUntraced(function* (datasetId: string, format: "comparisons" | "rows") {
  const request = yield* webRequest
  const answers = yield* Answers
  const relay = yield* Relay
  const { keyId } = yield* Caller
  yield* checkMedia(request, MEDIA)
  yield* checkStatedLength(request, LIMITS.bulkBodyBytes)
  const key = yield* idempotencyKeyOf(request, false)
  const body = yield* holdBody(request)
  const identity = { key, keyId, fingerprint: yield* fingerprintOf(request, body.digest) }
  const earlier = yield* answers.replay(identity)
  if (earlier !== undefined) {
    yield* relay.wake
    return earlier
  }
  const tally = new Tally()
  const last = yield* storeLines(datasetId, format, body, tally)
  if (last.length + tally.accepted + tally.duplicates + tally.rejectedLines === 0)
    return yield* new InvalidRequest({ detail: "The upload holds no line; look at the file that was to be sent." })
  return yield* storeComparisons(fromApi(datasetId), last.map(said), (plan) =>
    answers.commit(identity, plan.statements, { status: 202, body: encodeAnswer(BulkReport, tally.with(plan)) }),
  )
}, Effect.scoped)
