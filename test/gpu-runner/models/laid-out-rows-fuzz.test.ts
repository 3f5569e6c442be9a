// 10,000 random micro-batches, laid out, against the plain sequences that they stand for: lengths at every edge of a tile, one-token prompts and
// responses, one response the beginning of the other, windows of any size.
import { expect, test } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { type LaidOutRows, layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { attentionLayout, type HostAttentionLayout, queryRanges } from "#gpu-runner/ops/attention/attention-layout.ts"
import { ATTENTION_TILE_SIZE } from "#gpu-runner/ops/attention/attention-lists.ts"
import { attentionTiles, type HostAttentionTiles } from "#gpu-runner/ops/attention/attention-tiles.ts"
import { seededRandom } from "#test/reference/random-decoder.ts"
import {
  type Lengths,
  randomMicroBatches,
  unsharedSequences,
  visiblePlaces,
} from "#test/reference/unshared-sequences.ts"

const TILE = { queries: ATTENTION_TILE_SIZE, keys: ATTENTION_TILE_SIZE }

const COMBINATIONS = 10_000
// Seconds on an idle core; the limit is for a busy one.
const TIMEOUT_MS = 180_000

/** Rows of these lengths; in every third one response begins with the other. */
function randomRows(pairs: readonly Lengths[], random: () => number): TokenRow[] {
  const ids = (length: number) => Uint32Array.from({ length }, () => Math.floor(random() * 1000))
  return pairs.map(({ promptLength, chosenLength, rejectedLength }, index) => {
    const chosenIds = ids(chosenLength)
    const rejectedIds = ids(rejectedLength)
    if (random() < 1 / 3) {
      const shared = Math.min(chosenLength, rejectedLength)
      rejectedIds.set(chosenIds.subarray(0, shared))
    }
    return { id: `${index}`, promptIds: ids(promptLength), chosenIds, rejectedIds, weight: 1 }
  })
}

/** The first difference between laid-out rows and their plain sequences, or undefined. */
function placeFault(
  laidOutRows: LaidOutRows,
  rows: readonly TokenRow[],
  pairs: readonly Lengths[],
): string | undefined {
  const { tokenIds, predictionRows, targets, scoredOffsets, rows: lengths } = laidOutRows
  if (JSON.stringify(lengths) !== JSON.stringify(pairs)) return "lengths"
  let scored = 0
  for (const [index, { places, promptLength }] of unsharedSequences(pairs).entries()) {
    const row = rows[index >> 1]!
    if (index % 2 === 0 && scoredOffsets[index >> 1] !== scored) return `offset of row ${index >> 1}`
    const text = [...row.promptIds, ...(index % 2 === 0 ? row.chosenIds : row.rejectedIds)]
    if (text.length !== places.length) return `length of sequence ${index}`
    for (let place = 0; place < text.length; place++) {
      if (tokenIds[places[place]!] !== text[place]) return `token ${place} of sequence ${index}`
      if (place < promptLength) continue
      if (targets[scored] !== text[place]) return `target ${place} of sequence ${index}`
      if (predictionRows[scored] !== places[place - 1]) return `prediction row ${place} of sequence ${index}`
      scored++
    }
  }
  if (scoredOffsets.at(-1) !== scored || targets.length !== scored || predictionRows.length !== scored)
    return "scored count"
  return undefined
}

/** The first difference between a layout and the plain sequences, or undefined; fills in who reads each key last and which tiles are seen. */
function layoutFault(layout: HostAttentionLayout, pairs: readonly Lengths[], window: number): string | undefined {
  const { ranges, positions, tokenCount, queries } = layout
  if (queries.some((token, row) => token !== row)) return "queries"
  const tileCount = Math.ceil(tokenCount / ATTENTION_TILE_SIZE)
  const seenTiles = new Uint8Array(tileCount * tileCount)
  const lastReader = new Uint32Array(tokenCount)
  for (const { places } of unsharedSequences(pairs)) {
    for (let place = 0; place < places.length; place++) {
      const query = places[place]!
      if (positions[query] !== place) return `position of token ${query}`
      const [prefixStart, prefixEnd, ownStart] = ranges.subarray(4 * query, 4 * query + 3) as unknown as [
        number,
        number,
        number,
      ]
      const { from, to } = visiblePlaces(place, window)
      const prefixLength = Math.max(0, prefixEnd - prefixStart)
      if (prefixLength + query + 1 - ownStart !== to - from) return `number of keys that token ${query} sees`
      for (let seen = from; seen < to; seen++) {
        const key = places[seen]!
        const n = seen - from
        if (key !== (n < prefixLength ? prefixStart + n : ownStart + n - prefixLength))
          return `key ${key} of token ${query}`
        lastReader[key] = Math.max(lastReader[key]!, query)
        seenTiles[Math.floor(query / ATTENTION_TILE_SIZE) * tileCount + Math.floor(key / ATTENTION_TILE_SIZE)] = 1
      }
    }
  }
  for (let key = 0; key < tokenCount; key++)
    if (ranges[4 * key + 3] !== lastReader[key]! + 1) return `last reader of key ${key}`
  return tilesFault(attentionTiles(queryRanges(layout), tokenCount, TILE), seenTiles, tileCount)
}

function tilesFault(
  { tiles, queryTileStarts, keyTileStarts, members }: HostAttentionTiles,
  seenTiles: Uint8Array,
  tileCount: number,
): string | undefined {
  const expected: [number, number][] = []
  for (let query = 0; query < tileCount; query++) {
    if (queryTileStarts[query] !== expected.length) return `start of query tile ${query}`
    for (let key = 0; key < tileCount; key++) if (seenTiles[query * tileCount + key]) expected.push([query, key])
  }
  if (expected.flat().join() !== tiles.join()) return "tiles"
  const byKey = Array.from({ length: tileCount }, (_, key) =>
    expected.flatMap((tile, n) => (tile[1] === key ? [n] : [])),
  )
  if (byKey.flat().join() !== members.join()) return "members of key tiles"
  const starts = [0]
  for (const list of byKey) starts.push(starts.at(-1)! + list.length)
  return starts.join() === keyTileStarts.join() ? undefined : "starts of key tiles"
}

test(
  "10,000 random micro-batches hold each sequence's tokens, and predict each response token from the one before it",
  () => {
    const random = seededRandom(2)
    let checked = 0
    for (const { pairs } of randomMicroBatches(COMBINATIONS, 1)) {
      const rows = randomRows(pairs, random)
      const fault = placeFault(layOutRows(rows), rows, pairs)
      expect(fault, JSON.stringify(pairs)).toBeUndefined()
      checked++
    }
    expect(checked).toBe(COMBINATIONS)
  },
  TIMEOUT_MS,
)

test(
  "10,000 random micro-batches see what their plain sequences see, at the same positions, tile by tile",
  () => {
    let windows = 0
    for (const { pairs, window } of randomMicroBatches(COMBINATIONS, 3)) {
      const fault = layoutFault(attentionLayout(pairs, { window }), pairs, window)
      expect(fault, JSON.stringify({ pairs, window })).toBeUndefined()
      if (Number.isFinite(window)) windows++
    }
    expect(windows).toBeGreaterThan(COMBINATIONS / 3)
  },
  TIMEOUT_MS,
)

/** Every array of a result with one member changed, one after another. */
function* mutants<T extends object>(result: T): Generator<{ readonly where: string; readonly mutant: T }> {
  for (const [name, values] of Object.entries(result)) {
    if (!(values instanceof Uint32Array)) continue
    for (let i = 0; i < values.length; i++) {
      const changed = values.slice()
      changed[i]!++
      yield { where: `${name} ${i}`, mutant: { ...result, [name]: changed } }
    }
  }
}

test("any single changed number of laid-out rows or their attention layout is noticed", () => {
  const pairs = [
    { promptLength: 33, chosenLength: 2, rejectedLength: 64 },
    { promptLength: 1, chosenLength: 1, rejectedLength: 0 },
  ]
  const rows = randomRows(pairs, seededRandom(4))
  for (const { where, mutant } of mutants(layOutRows(rows)))
    expect(placeFault(mutant, rows, pairs), where).toBeDefined()
  for (const window of [Number.POSITIVE_INFINITY, 7]) {
    const layout = attentionLayout(pairs, { window })
    for (const { where, mutant } of mutants(layout)) {
      // Where a token sees no prefix, the start and end of none are free.
      const [token, part] = [Math.floor(Number(where.split(" ")[1]) / 4), Number(where.split(" ")[1]) % 4]
      const seesNoPrefix = layout.ranges[4 * token]! >= layout.ranges[4 * token + 1]!
      if (where.startsWith("ranges") && part === 0 && seesNoPrefix) continue
      expect(layoutFault(mutant, pairs, window), where).toBeDefined()
    }
  }
})
