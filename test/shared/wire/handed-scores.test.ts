// Log-probs and sheets between a runner and the edge: what is written is read, and nothing else is taken.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { checkScores, decodeScores, encodeScores, InvalidScores } from "#shared/wire/handed-scores.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { decodeSheet, encodeSheet, type SheetEntry, sheetRange } from "#shared/wire/score-sheet.ts"

const logProbs = fc.array(fc.float({ max: 0, noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 6 })
const pairs = fc.array(fc.record({ chosen: logProbs, rejected: logProbs }), { minLength: 1, maxLength: 5 })
const response = fc.record({
  digest: fc.stringMatching(/^[0-9a-f]{64}$/),
  tokens: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  isWanted: fc.boolean(),
})
const entries = fc.array(fc.record({ chosen: response, rejected: response }), { minLength: 1, maxLength: 8 })

const entryOf = ({
  chosen,
  rejected,
}: {
  readonly chosen: ArrayLike<number>
  readonly rejected: ArrayLike<number>
}): SheetEntry => {
  const side = ({ length }: ArrayLike<number>) => ({ digest: "a".repeat(64), tokens: length, isWanted: true })
  return { chosen: side(chosen), rejected: side(rejected) }
}

describe("log-probs", () => {
  it("are read as they were written, wherever they stand in memory, and held to counts", () => {
    fc.assert(
      fc.property(pairs, (given) => {
        const bytes = encodeScores(given)
        const shifted = new Uint8Array(bytes.length + 1)
        shifted.set(bytes, 1)
        const read = decodeScores(shifted.subarray(1))
        const plain = read.map(({ chosen, rejected }) => ({
          chosen: Array.from(chosen),
          rejected: Array.from(rejected),
        }))
        expect(plain).toEqual(given)
        expect(() => checkScores(read, given.map(entryOf), 0)).not.toThrow()
      }),
    )
  })

  it("of as many pairs as a call takes are read, and of one more refused", () => {
    const most = Array.from({ length: LIMITS.pairsPerHandIn }, () => ({ chosen: [-1], rejected: [-2] }))
    expect(decodeScores(encodeScores(most))).toHaveLength(LIMITS.pairsPerHandIn)
    expect(() => decodeScores(encodeScores([...most, most[0]!]))).toThrow(/at most 256 pairs; send fewer/)
  })

  it("cut short anywhere are none", () => {
    fc.assert(
      fc.property(pairs, fc.nat(), (given, seed) => {
        const bytes = encodeScores(given)
        const whole = given.map((_, index) => encodeScores(given.slice(0, index)).length)
        const length = seed % bytes.length
        if (length > 0 && whole.includes(length)) return
        expect(() => decodeScores(bytes.subarray(0, length))).toThrow(InvalidScores)
      }),
    )
  })

  it("of which one is no log-prob, or one is missing, are refused by the pair's number", () => {
    const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.01, 3)
    fc.assert(
      fc.property(pairs, bad, fc.nat(), fc.nat(1000), (given, value, seed, from) => {
        const entries = given.map(entryOf)
        const at = seed % given.length
        const spoilt = given.with(at, { ...given[at]!, rejected: given[at]!.rejected.with(0, value) })
        expect(() => checkScores(spoilt, entries, from)).toThrow(
          `token 0 of the rejected response of pair ${from + at}`,
        )
        const short = given.with(at, { ...given[at]!, chosen: given[at]!.chosen.slice(1) })
        expect(() => checkScores(short, entries, from)).toThrow(`the chosen response of pair ${from + at} has`)
      }),
    )
  })
})

describe("a sheet", () => {
  it("is read as it was written, and in part", () => {
    fc.assert(
      fc.property(entries, fc.nat(), (given, seed) => {
        const bytes = encodeSheet(given)
        expect(decodeSheet(bytes)).toEqual(given)
        const from = seed % given.length
        const { offset, length } = sheetRange(from, given.length - from)
        expect(decodeSheet(bytes.subarray(offset, offset + length))).toEqual(given.slice(from))
      }),
    )
  })
})
