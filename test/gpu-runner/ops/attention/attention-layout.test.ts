// Ranges and tiles of an attention layout against the definition: every query and key of the laid-out rows, by pair, part and position.
import fc from "fast-check"
import { expect, test } from "vitest"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { attentionLayout, type PairLengths, queryRanges } from "#gpu-runner/ops/attention/attention-layout.ts"
import { ATTENTION_TILE_SIZE } from "#gpu-runner/ops/attention/attention-lists.ts"
import { attentionStretches } from "#gpu-runner/ops/attention/attention-tiled.ts"
import { attentionTiles } from "#gpu-runner/ops/attention/attention-tiles.ts"
import { isVisible, places } from "#test/reference/attention.ts"

const TILE = { queries: ATTENTION_TILE_SIZE, keys: ATTENTION_TILE_SIZE }

const pairLengths = fc.record({
  promptLength: fc.integer({ min: 1, max: 45 }),
  chosenLength: fc.integer({ min: 0, max: 45 }),
  rejectedLength: fc.integer({ min: 0, max: 45 }),
})
const laidOut = fc.array(pairLengths, { minLength: 1, maxLength: 3 })
const windows = fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 100 }))

/** For each query the keys that it sees, by the definition. */
function visibleByDefinition(pairs: readonly PairLengths[], window: number | undefined): number[][] {
  const tokens = places(pairs)
  return tokens.map((query) => tokens.flatMap((key, j) => (isVisible(query, key, window) ? [j] : [])))
}

function visibleByRanges(ranges: Uint32Array): number[][] {
  return Array.from({ length: ranges.length / 4 }, (_, query) => {
    const [prefixStart, prefixEnd, ownStart] = ranges.slice(4 * query, 4 * query + 3)
    const span = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, n) => from + n)
    return [...span(prefixStart!, prefixEnd!), ...span(ownStart!, query + 1)]
  })
}

test("for any pairs and window the ranges name exactly the keys that the definition lets a query see", () => {
  fc.assert(
    fc.property(laidOut, windows, (pairs, window) => {
      const { ranges, positions } = attentionLayout(pairs, { window })
      expect(visibleByRanges(ranges)).toEqual(visibleByDefinition(pairs, window))
      expect([...positions]).toEqual(places(pairs).map((place) => place.position))
    }),
  )
})

test("a key's end is one past the last query that sees it", () => {
  fc.assert(
    fc.property(laidOut, windows, (pairs, window) => {
      const { ranges } = attentionLayout(pairs, { window })
      const ends = new Array<number>(ranges.length / 4)
      visibleByDefinition(pairs, window).forEach((keys, query) => {
        for (const key of keys) ends[key] = query + 1
      })
      expect(Array.from(ends, (_, key) => ranges[4 * key + 3])).toEqual(ends)
    }),
  )
})

test("exactly the tiles with something visible are listed, once by query tile and once by key tile", () => {
  fc.assert(
    fc.property(laidOut, windows, (pairs, window) => {
      const layout = attentionLayout(pairs, { window })
      const { tiles, queryTileStarts, keyTileStarts, members } = attentionTiles(
        queryRanges(layout),
        layout.tokenCount,
        TILE,
      )
      const expected = new Set<string>()
      visibleByDefinition(pairs, window).forEach((keys, query) => {
        for (const key of keys) {
          expected.add([query, key].map((token) => Math.floor(token / ATTENTION_TILE_SIZE)).join())
        }
      })
      const listed = Array.from({ length: members.length }, (_, n) => `${tiles[2 * n]},${tiles[2 * n + 1]}`)
      expect(new Set(listed)).toEqual(expected)
      expect(listed.length).toBe(expected.size)
      listed.forEach((_, n) => {
        const [queryTile, keyTile] = [tiles[2 * n]!, tiles[2 * n + 1]!]
        expect(n).toBeGreaterThanOrEqual(queryTileStarts[queryTile]!)
        expect(n).toBeLessThan(queryTileStarts[queryTile + 1]!)
        expect([...members.slice(keyTileStarts[keyTile]!, keyTileStarts[keyTile + 1]!)]).toContain(n)
      })
    }),
    { numRuns: 30 },
  )
})

test("a window no shorter than the longest sequence changes nothing", () => {
  fc.assert(
    fc.property(laidOut, (pairs) => {
      expect(attentionLayout(pairs, { window: 90 })).toEqual(attentionLayout(pairs))
    }),
  )
})

test("a window that is no positive whole number is refused", () => {
  const pairs = [{ promptLength: 2, chosenLength: 0, rejectedLength: 0 }]
  for (const window of [0, -1, 1.5, Number.NaN]) {
    expect(() => attentionLayout(pairs, { window })).toThrow(ShapeMismatch)
    expect(() => attentionLayout(pairs, { window })).toThrow(`window is ${window}; it must be a whole number`)
  }
})

test("stretches cover every key tile of every head once, within the budget unless a single key tile exceeds it", () => {
  const counts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 })
  const small = fc.integer({ min: 1, max: 4 })
  fc.assert(
    fc.property(counts, small, small, fc.integer({ min: 1, max: 300 }), (tiles, keyHeads, groupSize, budget) => {
      const starts = Uint32Array.of(0, ...tiles.map((_, i) => tiles.slice(0, i + 1).reduce((sum, n) => sum + n, 0)))
      const covered = new Map<string, number>()
      for (const stretch of attentionStretches(starts, keyHeads, groupSize, budget)) {
        const end = stretch.firstKeyTile + stretch.keyTiles
        const matrices = stretch.keyHeads * groupSize * (starts[end]! - starts[stretch.firstKeyTile]!)
        if (stretch.keyTiles > 1 || stretch.keyHeads > 1) expect(matrices).toBeLessThanOrEqual(budget)
        for (let head = 0; head < stretch.keyHeads; head++) {
          for (let tile = stretch.firstKeyTile; tile < end; tile++) {
            const place = `${stretch.firstKeyHead + head},${tile}`
            covered.set(place, (covered.get(place) ?? 0) + 1)
          }
        }
      }
      expect(covered.size).toBe(keyHeads * tiles.length)
      expect(new Set(covered.values())).toEqual(new Set([1]))
    }),
  )
})
