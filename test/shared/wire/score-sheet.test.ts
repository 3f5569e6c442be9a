// What sheets ask for, told by the beginnings of digests.
import fc from "fast-check"
import { expect, test } from "vitest"
import { AskedResponses, decodeSheet, encodeSheet, type SheetEntry, sheetRange } from "#shared/wire/score-sheet.ts"

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"))
const response = fc.record({ digest, tokens: fc.nat(4096), isWanted: fc.boolean() })
const sheets = fc.array(fc.array(fc.record({ chosen: response, rejected: response }), { maxLength: 20 }), {
  maxLength: 4,
})

const responsesOf = (entries: readonly SheetEntry[]) => entries.flatMap(({ chosen, rejected }) => [chosen, rejected])

test("of all sheets' responses those are asked for that one of them wants", () => {
  fc.assert(
    fc.property(sheets, digest, (all, other) => {
      const asked = new AskedResponses()
      for (const sheet of all) asked.add(encodeSheet(sheet))
      const wanted = new Set(responsesOf(all.flat()).flatMap(({ digest: of, isWanted }) => (isWanted ? [of] : [])))
      for (const { digest: of } of responsesOf(all.flat())) expect(asked.has(of)).toBe(wanted.has(of))
      expect(asked.has(other)).toBe(wanted.has(other))
    }),
  )
})

test("a range of a sheet holds its entries", () => {
  fc.assert(
    fc.property(sheets, fc.nat(19), fc.nat(19), (all, first, count) => {
      const entries = all.flat()
      const from = Math.min(first, entries.length)
      const { offset, length } = sheetRange(from, Math.min(count, entries.length - from))
      expect(decodeSheet(encodeSheet(entries).subarray(offset, offset + length))).toEqual(
        entries.slice(from, from + count),
      )
    }),
  )
})
