// A bulk upload: held whole and counted first, so that what is refused is not stored; then written batch by batch, and reported as a
// whole. A bad line is reported and the rest goes on. The report is stored with the last batch; a request that dies before is simply
// sent again, and finds its first batches to be duplicates.
import { Effect, Result } from "effect"
import { BulkReport, type LineProblem } from "#shared/api/comparisons.ts"
import { Caller } from "#shared/api/middleware.ts"
import { InvalidRequest } from "#shared/api/problems.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import type { TakenBack } from "#shared/judgement/sent-comparisons.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { checkMedia, checkStatedLength, webRequest } from "../http/bodies.ts"
import { fingerprintOf, idempotencyKeyOf } from "../http/Idempotency.ts"
import { fromApi, planRetraction, storeComparisons } from "../ingest.ts"
import { Relay } from "../outbox/Relay.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import type { Plan } from "../storage/Comparisons.ts"
import { type AlreadyExists, Database } from "../storage/Database.ts"
import { type HeldBody, holdBody } from "./held-body.ts"
import type { Line } from "./lines.ts"
import { parseLine, problemOf } from "./parse-line.ts"

const MEDIA = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/octet-stream"]

const TOO_MANY_TURNS = problemOf(
  new InvalidRequest({
    detail: `Names were said and taken back by turns more than ${LIMITS.bulkTurns} times before this line, or with it, so it was not stored, nor what is behind it; send the lines from the first such one on in another upload.`,
  }),
)

/** What has been read, and what became of it. */
class Tally {
  accepted = 0
  duplicates = 0
  superseded = 0
  retracted = 0
  rejectedLines = 0
  readonly rejected: { line: number; problem: LineProblem }[] = []

  reject(line: number, problem: LineProblem): void {
    this.rejectedLines += 1
    if (this.rejected.length < LIMITS.reportedLines) this.rejected.push({ line, problem })
  }

  /** The report as it will stand when this is committed. */
  with({ statuses, outdone, retracted }: Written): BulkReport {
    const duplicates = statuses.filter((status) => status === "duplicate").length
    const more = { superseded: this.superseded + outdone, retracted: this.retracted + retracted }
    return {
      accepted: this.accepted + statuses.length - duplicates,
      duplicates: this.duplicates + duplicates,
      ...Object.fromEntries(Object.entries(more).filter(([, count]) => count > 0)),
      rejectedLines: this.rejectedLines,
      rejected: this.rejected,
    }
  }

  add(written: Written): void {
    const { accepted, duplicates, superseded = 0, retracted = 0 } = this.with(written)
    Object.assign(this, { accepted, duplicates, superseded, retracted })
  }
}

/** What is committed together. */
interface Written extends Plan {
  readonly retracted: number
}

/** What is to be written together. A name is either said or taken back in it: then their order makes no difference. */
class Batch {
  readonly comparisons: Comparison[] = []
  readonly over: TakenBack[] = []
  readonly #said = new Set<string>()
  readonly #over = new Set<string>()
  #bytes = 0

  /** Whether what a line says and takes back may stand beside the rest. */
  takes(said: Comparison | undefined, over: readonly TakenBack[]): boolean {
    if (said !== undefined && this.#over.has(said.externalId)) return false
    return !over.some(({ externalId }) => this.#said.has(externalId))
  }

  push(said: Comparison | undefined, over: readonly TakenBack[], bytes: number): void {
    if (said !== undefined) {
      this.comparisons.push(said)
      this.#said.add(said.externalId)
    }
    for (const one of over) {
      this.over.push(one)
      this.#over.add(one.externalId)
    }
    this.#bytes += bytes
  }

  isFull(): boolean {
    return this.comparisons.length + this.over.length >= LIMITS.comparisonsPerBatch || this.#bytes >= LIMITS.batchBytes
  }
}

/** Stores a batch in one transaction, which `commit` writes. */
const write = Effect.fnUntraced(function* <A, E>(
  datasetId: string,
  { comparisons, over }: Batch,
  commit: (written: Written) => Effect.Effect<A, E | AlreadyExists>,
) {
  const origin = fromApi(datasetId)
  const taken = over.length === 0 ? { retracted: 0, statements: [] } : yield* Effect.orDie(planRetraction(origin, over))
  const { retracted } = taken
  return yield* storeComparisons(origin, comparisons.map(said), ({ statements, ...plan }) =>
    commit({ ...plan, retracted, statements: [...statements, ...taken.statements] }),
  )
})

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
  let turns = 0
  const flush = Effect.fnUntraced(function* () {
    const full = batch
    batch = new Batch()
    const written = yield* write(datasetId, full, (planned) =>
      planned.statements.length === 0
        ? Effect.succeed(planned)
        : Effect.as(database.batch(planned.statements), planned),
    )
    tally.add(written)
  })
  for (const line of lines()) {
    if (isBlank(line)) continue
    const parsed = yield* parseLine(line, format)
    const comparison = Result.isSuccess(parsed.said) ? parsed.said.success : undefined
    const isTurn = !batch.takes(comparison, parsed.over)
    if (isTurn) turns += 1
    // All the rest, so that what is sent again stands in its order.
    if (turns > LIMITS.bulkTurns) {
      tally.reject(line.number, TOO_MANY_TURNS)
      continue
    }
    if (Result.isFailure(parsed.said)) tally.reject(line.number, parsed.said.failure)
    if (comparison === undefined && parsed.over.length === 0) continue
    if (isTurn) {
      yield* flush()
      // What has no time of its own must be later than what stands before it.
      yield* Effect.sleep("2 millis")
    }
    batch.push(comparison, parsed.over, line.bytes?.length ?? 0)
    if (batch.isFull()) yield* flush()
  }
  return batch
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
  const path = new URL(request.url).pathname
  const identity = { key, keyId, fingerprint: yield* fingerprintOf(request, body.digest), path }
  const earlier = yield* answers.replay(identity)
  if (earlier !== undefined) {
    yield* relay.wake
    return earlier
  }
  const tally = new Tally()
  const last = yield* storeLines(datasetId, format, body, tally)
  if (last.comparisons.length + tally.accepted + tally.duplicates + tally.rejectedLines === 0)
    return yield* new InvalidRequest({ detail: "The upload holds no line; look at the file that was to be sent." })
  return yield* write(datasetId, last, (written) =>
    answers.commit(identity, written.statements, { status: 202, body: encodeAnswer(BulkReport, tally.with(written)) }),
  )
}, Effect.scoped)
