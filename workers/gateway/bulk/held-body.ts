// The whole body of a bulk upload, read and counted before its first line is looked at: what is refused for its size, its lines or
// because it broke off was never stored. At most `LIMITS.heldBulkBytes` are held in an isolate, whatever is being uploaded.
import { Effect, type Scope } from "effect"
import { BodyTooLarge, InvalidRequest } from "#shared/api/problems.ts"
import { bytesToHex } from "#shared/formats/digest.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { piecesOf, tooLarge } from "../http/bodies.ts"
import { PartUnavailable } from "../storage/Database.ts"
import { type Line, LineSplitter } from "./lines.ts"

const NEWLINE = 0x0a

/** A number alone is shared between requests: nothing of one of them can reach another. */
let heldBytes = 0

const busy = new PartUnavailable({
  part: "the bulk upload",
  cause: new Error(`${LIMITS.heldBulkBytes} bytes of other uploads are being stored`),
})

/** Room for a body, given back when the scope ends. */
const reserve = (bytes: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      if (heldBytes + bytes > LIMITS.heldBulkBytes) return Effect.die(busy)
      heldBytes += bytes
      return Effect.void
    }),
    () =>
      Effect.sync(() => {
        heldBytes -= bytes
      }),
  )

const countLines = (chunks: readonly Uint8Array[]): number => {
  let lines = 0
  for (const chunk of chunks)
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1
  return chunks.at(-1)?.at(-1) === NEWLINE || chunks.length === 0 ? lines : lines + 1
}

const tooManyLines = new BodyTooLarge({
  limitBytes: LIMITS.bulkBodyBytes,
  detail: `A bulk upload has at most ${LIMITS.bulkLines} lines, and nothing of this one was stored; send it in parts.`,
})

const brokeOff = new InvalidRequest({
  detail: "The body ended before its stated length, and nothing of it was stored; send the request again.",
})

export interface HeldBody {
  /** SHA-256 of all of it. */
  readonly digest: string
  /** Its lines, once: what has been read is let go. */
  readonly lines: () => Generator<Line>
}

function* linesOf(chunks: Uint8Array[]): Generator<Line> {
  const splitter = new LineSplitter()
  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield* splitter.push(chunk)
  yield* splitter.end()
}

const collect = async (request: Request) => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const piece of piecesOf(request)) {
    bytes += piece.length
    if (bytes > LIMITS.bulkBodyBytes) return undefined
    chunks.push(piece)
  }
  return { chunks, bytes }
}

const digestOf = async (chunks: readonly Uint8Array[]): Promise<string> => {
  const stream = new crypto.DigestStream("SHA-256")
  const writer = stream.getWriter()
  for (const chunk of chunks) await writer.write(chunk)
  await writer.close()
  return bytesToHex(new Uint8Array(await stream.digest))
}

/** The body, if it may be stored. */
export const holdBody = Effect.fnUntraced(function* (request: Request) {
  const header = request.headers.get("content-length")
  const stated = header === null ? undefined : Number(header)
  yield* reserve(stated ?? LIMITS.bulkBodyBytes)
  const collected = yield* Effect.promise(() => collect(request))
  if (collected === undefined) return yield* tooLarge(LIMITS.bulkBodyBytes, "send it in parts")
  const { chunks, bytes } = collected
  if (stated !== undefined && stated !== bytes) return yield* brokeOff
  if (countLines(chunks) > LIMITS.bulkLines) return yield* tooManyLines
  const digest = yield* Effect.promise(() => digestOf(chunks))
  return { digest, lines: () => linesOf(chunks) } satisfies HeldBody
})
