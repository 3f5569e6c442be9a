// A bulk upload: read as it arrives, written batch by batch, reported as a whole. A bad line is reported and the rest goes
// on. The report is stored with the last batch; a request that dies before is simply sent again, and finds its first
// batches to be duplicates.
import { Effect, Result } from "effect"
import { BulkReport, type LineProblem } from "#shared/api/comparisons.ts"
import { Caller, type IdempotentRequest } from "#shared/api/middleware.ts"
import { BodyTooLarge, InvalidRequest } from "#shared/api/problems.ts"
import { bytesToHex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { checkMedia, checkStatedLength, tooLarge, webRequest } from "../http/bodies.ts"
import { fingerprintOf, idempotencyKeyOf } from "../http/Idempotency.ts"
import { fromApi, storeComparisons } from "../ingest.ts"
import { Relay } from "../outbox/Relay.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import type { Plan } from "../storage/Comparisons.ts"
import { Database } from "../storage/Database.ts"
import { type Line, LineSplitter } from "./lines.ts"
import { parseLine } from "./parse-line.ts"

const MEDIA = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/octet-stream"]

/** Reads a body chunk by chunk, counting and hashing it. */
class MeteredBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  readonly #statedBytes: number | undefined
  readonly #digest = new crypto.DigestStream("SHA-256")
  readonly #writer = this.#digest.getWriter()
  #bytes = 0

  constructor(request: Request) {
    this.#reader = request.body?.getReader()
    const stated = request.headers.get("content-length")
    this.#statedBytes = stated === null ? undefined : Number(stated)
  }

  /** The next chunk, or undefined at the end. */
  readonly next: Effect.Effect<Uint8Array | undefined, BodyTooLarge> = Effect.flatMap(
    Effect.promise(async () => (await this.#reader?.read())?.value),
    (chunk) => {
      this.#bytes += chunk?.length ?? 0
      if (this.#bytes > LIMITS.bulkBodyBytes) return Effect.fail(tooLarge(LIMITS.bulkBodyBytes, "send it in parts"))
      return chunk === undefined
        ? Effect.succeed(undefined)
        : Effect.as(
            Effect.promise(() => this.#writer.write(chunk)),
            chunk,
          )
    },
  )

  /** Digest of all that was read. A body that broke off is no whole request: its report must not be stored. */
  readonly digest: Effect.Effect<string, InvalidRequest> = Effect.suspend(() =>
    this.#statedBytes === undefined || this.#statedBytes === this.#bytes
      ? Effect.promise(() => this.#finish())
      : Effect.fail(new InvalidRequest({ detail: "The body ended before its stated length; send the request again." })),
  )

  async #finish(): Promise<string> {
    await this.#writer.close()
    return bytesToHex(new Uint8Array(await this.#digest.digest))
  }
}

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
const readAndStore = Effect.fnUntraced(function* (
  datasetId: string,
  format: "comparisons" | "rows",
  body: MeteredBody,
  tally: Tally,
) {
  const database = yield* Database
  const splitter = new LineSplitter()
  let batch = new Batch()
  const accept = Effect.fnUntraced(function* (line: Line) {
    if (line.number > LIMITS.bulkLines)
      return yield* new BodyTooLarge({
        limitBytes: LIMITS.bulkBodyBytes,
        detail: `A bulk upload has at most ${LIMITS.bulkLines} lines; send it in parts.`,
      })
    if (isBlank(line)) return
    const parsed = yield* parseLine(line, format)
    if (Result.isFailure(parsed)) return tally.reject(line.number, parsed.failure)
    batch.push(parsed.success, line.bytes?.length ?? 0)
    if (!batch.isFull()) return
    const full = batch.comparisons
    batch = new Batch()
    const plan = yield* storeComparisons(fromApi(datasetId), full.map(said), (planned) =>
      planned.statements.length === 0
        ? Effect.succeed(planned)
        : Effect.as(database.batch(planned.statements), planned),
    )
    tally.add(plan)
  })
  for (let chunk = yield* body.next; chunk !== undefined; chunk = yield* body.next)
    for (const line of splitter.push(chunk)) yield* accept(line)
  for (const line of splitter.end()) yield* accept(line)
  return batch.comparisons
})

const said = (comparison: Comparison) => ({ comparison })

const replay = Effect.fnUntraced(function* (
  identity: Omit<IdempotentRequest["Service"], "fingerprint">,
  request: Request,
  body: MeteredBody,
) {
  const relay = yield* Relay
  const answers = yield* Answers
  while ((yield* body.next) !== undefined);
  const fingerprint = yield* fingerprintOf(request, yield* body.digest)
  yield* relay.wake
  return yield* answers.replay({ ...identity, fingerprint })
})

/** The handler of POST /v1/datasets/{id}/comparisons/bulk. */
export const uploadMany = Effect.fnUntraced(function* (datasetId: string, format: "comparisons" | "rows") {
  const request = yield* webRequest
  const answers = yield* Answers
  const database = yield* Database
  const { keyId } = yield* Caller
  yield* checkMedia(request, MEDIA)
  yield* checkStatedLength(request, LIMITS.bulkBodyBytes)
  const key = yield* idempotencyKeyOf(request, false)
  const body = new MeteredBody(request)
  const isKnown = yield* database.first(
    "SELECT 1 FROM idempotency WHERE key_id = ? AND idempotency_key = ?",
    ...[keyId, key ?? ""],
  )
  if (isKnown !== undefined) {
    const earlier = yield* replay({ key, keyId }, request, body)
    if (earlier !== undefined) return earlier
  }
  const tally = new Tally()
  const last = yield* readAndStore(datasetId, format, body, tally)
  const identity = { key, keyId, fingerprint: yield* fingerprintOf(request, yield* body.digest) }
  return yield* storeComparisons(fromApi(datasetId), last.map(said), (plan) =>
    answers.commit(identity, plan.statements, { status: 202, body: encodeAnswer(BulkReport, tally.with(plan)) }),
  )
})
