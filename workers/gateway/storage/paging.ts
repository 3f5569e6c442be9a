// Keyset paging: a cursor is the sort key of the last item, so that a page neither repeats nor skips while rows come in.
import { Effect, Result } from "effect"
import { Base64Url } from "effect/encoding"
import { InvalidCursor } from "#shared/api/problems.ts"

/** The sort key of a list: a number (a time, or 0 where there is none) and an id. */
export type Cursor = readonly [number, string]

/** Before everything, where the newest come first. */
export const LATEST: Cursor = [Number.MAX_SAFE_INTEGER, ""]

export interface StoredPage<A> {
  readonly items: readonly A[]
  readonly nextCursor?: string
}

export const DEFAULT_LIMIT = 50

const isCursor = (value: unknown): value is Cursor =>
  Array.isArray(value) && value.length === 2 && Number.isFinite(value[0]) && typeof value[1] === "string"

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Reads a cursor that a page gave out. */
export const decodeCursor = (text: string | undefined): Effect.Effect<Cursor | undefined, InvalidCursor> => {
  if (text === undefined) return Effect.succeed(undefined)
  const decoded = Base64Url.decodeString(text)
  const cursor = Result.isSuccess(decoded) ? parse(decoded.success) : undefined
  return isCursor(cursor)
    ? Effect.succeed(cursor)
    : Effect.fail(
        new InvalidCursor({ detail: "Send the nextCursor of the page before, unchanged, or none to begin again." }),
      )
}

/** A page of rows that were read with `LIMIT limit + 1`. */
export const readPage = <Row, A>(
  rows: readonly Row[],
  limit: number,
  itemOf: (row: Row) => A,
  keyOf: (row: Row) => Cursor,
): StoredPage<A> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const next =
    rows.length > limit && last !== undefined ? { nextCursor: Base64Url.encode(JSON.stringify(keyOf(last))) } : {}
  return { items: items.map(itemOf), ...next }
}
