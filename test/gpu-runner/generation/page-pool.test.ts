// Pages of the cache: none is given to two sequences, none is lost, and too few are said beforehand.
import fc from "fast-check"
import { expect, test } from "vitest"
import { PagePool, pagesFor } from "#gpu-runner/generation/page-pool.ts"

test("pages for some positions: whole pages of 32", () => {
  expect([1, 32, 33, 64, 65].map(pagesFor)).toEqual([1, 1, 2, 2, 3])
})

test("whatever is taken and given back, no page is with two and all come back", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 40 }), fc.nat({ max: 20 }), (wishes, size) => {
      const pool = new PagePool(size)
      const held: (readonly number[])[] = []
      for (const [index, positions] of wishes.entries()) {
        const before = pool.free
        const pages = pool.take(positions)
        expect(pages === undefined).toBe(pagesFor(positions) > before)
        if (pages) held.push(pages)
        if (index % 3 === 2) pool.give(held.shift() ?? [])
        const all = held.flat()
        expect(new Set(all).size).toBe(all.length)
        expect(all.every((page) => page < size)).toBe(true)
        expect(pool.free + all.length).toBe(size)
      }
    }),
  )
})

test("a page that is given back twice is a MemoryMisuse", () => {
  const pool = new PagePool(2)
  const pages = pool.take(40)!
  pool.give(pages)
  expect(() => pool.give(pages)).toThrow(/given back twice/)
})
