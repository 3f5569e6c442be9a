// The texts of pairs, found again in the payloads of their comparisons: a pair's id is the digest of what it says.
import { Effect, Schema } from "effect"
import type { StoredPair } from "#shared/api/comparisons.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { pairId } from "#shared/wire/pair-identity.ts"
import { Blobs } from "./Blobs.ts"
import { ask, Database } from "./Database.ts"

type Item = typeof StoredPair.Type
type PairText = NonNullable<Item["text"]>

const CONCURRENT_READS = 4

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Comparison))

/** The two candidates of a comparison whose pair has this id. */
const textOf = async (datasetId: string, id: string, comparison: Comparison): Promise<PairText | undefined> => {
  const { prompt, candidates } = comparison
  for (const { response: chosen } of candidates)
    for (const { response: rejected } of candidates) {
      if (chosen === rejected) continue
      const text = { prompt, chosen, rejected }
      if ((await pairId(datasetId, text)) === id) return text
    }
  return undefined
}

interface Place {
  readonly id: string
  readonly payload_digest: string
  readonly payload_line: number
}

const readLines = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  const blob = yield* blobs.get(digest)
  return blob === undefined ? [] : (yield* ask("R2", () => blob.text())).split("\n")
})

/** The pairs with their texts; a text whose payload is gone stays away. */
export const withTexts = Effect.fnUntraced(function* (datasetId: string, items: readonly Item[]) {
  const database = yield* Database
  const places = yield* database.all<Place>(
    "SELECT id, payload_digest, payload_line FROM comparisons WHERE id IN (SELECT value FROM json_each(?))",
    JSON.stringify([...new Set(items.map(({ comparisonId }) => comparisonId))]),
  )
  const digests = [...new Set(places.map((place) => place.payload_digest))]
  const payloads = yield* Effect.forEach(
    digests,
    (digest) => Effect.map(readLines(digest), (lines) => [digest, lines] as const),
    { concurrency: CONCURRENT_READS },
  ).pipe(Effect.map((entries) => new Map(entries)))
  const comparisons = new Map(
    places.flatMap((place) => {
      const line = payloads.get(place.payload_digest)?.[place.payload_line]
      return line ? [[place.id, decode(line)] as const] : []
    }),
  )
  return yield* Effect.forEach(
    items,
    Effect.fnUntraced(function* (item) {
      const comparison = comparisons.get(item.comparisonId)
      if (comparison === undefined) return item
      const text = yield* Effect.promise(() => textOf(datasetId, item.id, comparison))
      return text === undefined ? item : { ...item, text }
    }),
  )
})
