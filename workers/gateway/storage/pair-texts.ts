// The texts of pairs as they were delivered, found again in the payloads of their comparisons by the candidates' ids.
import { Effect, Schema } from "effect"
import type { StoredPair } from "#shared/api/comparisons.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { Blobs } from "./Blobs.ts"
import { ask, Database } from "./Database.ts"

type Item = typeof StoredPair.Type
type PairText = NonNullable<Item["text"]>

const CONCURRENT_READS = 4

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Comparison))

interface Place {
  readonly id: string
  readonly chosen_candidate: string | null
  readonly rejected_candidate: string | null
  readonly payload_digest: string
  readonly payload_line: number
}

const textOf = (line: string, { chosen_candidate, rejected_candidate }: Place): PairText | undefined => {
  const { prompt, candidates } = decode(line)
  const responseOf = (id: string | null) => candidates.find((candidate) => candidate.id === id)?.response
  const [chosen, rejected] = [responseOf(chosen_candidate), responseOf(rejected_candidate)]
  return chosen === undefined || rejected === undefined ? undefined : { prompt, chosen, rejected }
}

const readLines = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  const blob = yield* blobs.get(digest)
  return blob === undefined ? [] : (yield* ask("R2", () => blob.text())).split("\n")
})

/** The pairs with their texts; a text whose payload is gone stays away. */
export const withTexts = Effect.fnUntraced(function* (items: readonly Item[]) {
  const database = yield* Database
  const places = yield* database.all<Place>(
    `SELECT p.id, p.chosen_candidate, p.rejected_candidate, c.payload_digest, c.payload_line
       FROM pairs p JOIN comparisons c ON c.id = p.comparison_id WHERE p.id IN (SELECT value FROM json_each(?))`,
    JSON.stringify(items.map(({ id }) => id)),
  )
  const digests = [...new Set(places.map((place) => place.payload_digest))]
  const payloads = yield* Effect.forEach(
    digests,
    (digest) => Effect.map(readLines(digest), (lines) => [digest, lines] as const),
    { concurrency: CONCURRENT_READS },
  ).pipe(Effect.map((entries) => new Map(entries)))
  const texts = new Map(
    places.map((place) => {
      const line = payloads.get(place.payload_digest)?.[place.payload_line]
      return [place.id, line ? textOf(line, place) : undefined] as const
    }),
  )
  return items.map((item) => {
    const text = texts.get(item.id)
    return text === undefined ? item : { ...item, text }
  })
})
