// Attention over keys in pages against its f64 twin: lengths on both sides of a page's end, pages in any order, windows that begin within a
// page and before it, grouped heads of several sizes, soft caps. And what is written into the cache is where it belongs.
import { expect } from "vitest"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import {
  cacheRows,
  createKeyValueCache,
  NO_SLOT,
  PAGE_SIZE,
  pagedAttention,
  rotateIntoCache,
} from "#gpu-runner/ops/attention/paged-attention.ts"
import { createRopeTable } from "#gpu-runner/ops/rows/rope.ts"
import { pagedAttention as reference } from "#test/reference/paged-attention.ts"
import { normal64 } from "#test/reference/random.ts"
import { seededRandom } from "#test/reference/random-decoder.ts"
import { rope } from "#test/reference/rope.ts"
import { relativeError, uploaded64 } from "../compare-op.ts"
import { executingTest } from "../lanes.ts"

const LENGTHS = [1, 2, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE, 3 * PAGE_SIZE + 5, 40]
const PAGES_PER_ROW = 4

/** Distinct pages for every sequence, in no order. */
function shuffledPages(seed: number): readonly (readonly number[])[] {
  const random = seededRandom(seed)
  const pages = LENGTHS.flatMap((_, row) => Array.from({ length: PAGES_PER_ROW }, (_, n) => row * PAGES_PER_ROW + n))
  const shuffled = pages
    .map((page) => [random(), page] as const)
    .sort(([one], [other]) => one - other)
    .map(([, page]) => page)
  return LENGTHS.map((_, row) => shuffled.slice(row * PAGES_PER_ROW, (row + 1) * PAGES_PER_ROW))
}

const CASES = [
  { headCount: 4, keyValueHeadCount: 2, headSize: 8 },
  { headCount: 6, keyValueHeadCount: 1, headSize: 20, window: 7 },
  { headCount: 2, keyValueHeadCount: 2, headSize: 64, softCap: 2, window: PAGE_SIZE },
  { headCount: 2, keyValueHeadCount: 1, headSize: 128, scale: 0.3, window: PAGE_SIZE + 3 },
  { headCount: 1, keyValueHeadCount: 1, headSize: 256, softCap: 0.5 },
  { headCount: 7, keyValueHeadCount: 1, headSize: 12, window: 1 },
]

for (const { headSize, scale = 1 / Math.sqrt(headSize), ...heads } of CASES) {
  executingTest(`paged attention agrees with f64, ${JSON.stringify({ headSize, ...heads })}`, async (context) => {
    const slotCount = LENGTHS.length * PAGES_PER_ROW * PAGE_SIZE
    const query = normal64("paged-1", [LENGTHS.length, heads.headCount * headSize])
    const keys = normal64("paged-2", [slotCount, heads.keyValueHeadCount * headSize])
    const values = normal64("paged-3", [slotCount, heads.keyValueHeadCount * headSize])
    const pages = shuffledPages(4)
    const slots = LENGTHS.map((length, row) =>
      Array.from({ length }, (_, at) => pages[row]![Math.floor(at / PAGE_SIZE)]! * PAGE_SIZE + (at % PAGE_SIZE)),
    )
    const expected = reference(query, keys, values, { ...heads, slots, scale })
    const cache = { keys: uploaded64(context, keys, "keys"), values: uploaded64(context, values, "values") }
    const rows = {
      pages: uploaded(context, Uint32Array.from(pages.flat()), [LENGTHS.length, PAGES_PER_ROW], "pages"),
      lengths: uploaded(context, Uint32Array.from(LENGTHS), [LENGTHS.length], "lengths"),
    }
    const output = pagedAttention(context, uploaded64(context, query, "query"), cache, rows, { ...heads, scale })
    const [actual] = await readback(context, [output])
    expect(relativeError(actual!, expected.data)).toBeLessThan(1e-5)
  })
}

executingTest(
  "rows go to their slots, those without one nowhere, and other slots stay as they were",
  async (context) => {
    const cache = createKeyValueCache(context, 2, 8, "cache")
    const before = normal64("paged-5", [2 * PAGE_SIZE, 8])
    for (const tensor of [cache.keys, cache.values]) context.recorder.write(tensor, Float32Array.from(before.data))
    const [key, value] = [normal64("paged-6", [4, 8]), normal64("paged-7", [4, 8])]
    const slots = [PAGE_SIZE + 3, NO_SLOT, 0, 2 * PAGE_SIZE - 1]
    const deviceSlots = uploaded(context, Uint32Array.from(slots), [4], "slots")
    cacheRows(
      context,
      { key: uploaded64(context, key, "key"), value: uploaded64(context, value, "value") },
      deviceSlots,
      cache,
    )
    const read = await readback(context, [cache.keys, cache.values])
    for (const [index, rows] of [key, value].entries()) {
      const expected = Float32Array.from(before.data)
      slots.forEach((slot, row) => {
        if (slot !== NO_SLOT) expected.set(rows.data.subarray(8 * row, 8 * row + 8), 8 * slot)
      })
      expect(read[index]).toEqual(expected)
    }
    for (const tensor of [cache.keys, cache.values]) context.memory.release(tensor)
  },
)

for (const headSize of [8, 12]) {
  executingTest(
    `a step's queries are turned, and its keys on their way into the cache, as f64 turns them, heads of ${headSize}`,
    async (context) => {
      const positions = Uint32Array.of(0, 5, 40, 17)
      const slots = [PAGE_SIZE + 3, NO_SLOT, 0, 2 * PAGE_SIZE - 1]
      const [query, key, value] = [3, 2, 2].map((heads, index) => normal64(`rotate-${index}`, [4, heads * headSize]))
      const ropeOptions = { headSize, theta: 10_000 }
      const ropeTable = createRopeTable(context, { ...ropeOptions, positionCount: 64 })
      const cache = createKeyValueCache(context, 2, 2 * headSize, "cache")
      const before = normal64("rotate-3", [2 * PAGE_SIZE, 2 * headSize])
      for (const tensor of [cache.keys, cache.values]) context.recorder.write(tensor, Float32Array.from(before.data))
      const inputs = {
        query: uploaded64(context, query!, "query"),
        key: uploaded64(context, key!, "key"),
        value: uploaded64(context, value!, "value"),
      }
      const ofRows = Uint32Array.from(slots.flatMap((slot, row) => [positions[row]!, slot]))
      const places = uploaded(context, ofRows, [4, 2], "places")
      const output = rotateIntoCache(context, inputs, { places, ropeTable }, cache)
      const [turned, ...cached] = await readback(context, [output, cache.keys, cache.values])
      expect(relativeError(turned!, rope(query!, { ...ropeOptions, positions }).data)).toBeLessThan(1e-6)
      for (const [index, rows] of [rope(key!, { ...ropeOptions, positions }), value!].entries()) {
        const expected = Float64Array.from(before.data)
        const width = 2 * headSize
        slots.forEach((slot, row) => {
          if (slot !== NO_SLOT) expected.set(rows.data.subarray(width * row, width * row + width), width * slot)
        })
        expect(relativeError(cached[index]!, expected)).toBeLessThan(1e-6)
      }
      for (const tensor of [cache.keys, cache.values, ropeTable]) context.memory.release(tensor)
    },
  )
}
