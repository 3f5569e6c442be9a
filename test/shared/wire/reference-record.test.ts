// The record of reference log-probs: one writer's bytes are every reader's, and what is not whole is no record.
import { describe, expect, it } from "vitest"
import { decodeRecord, encodeRecord, recordKey } from "#shared/wire/reference-record.ts"

const LOG_PROBS = Float32Array.of(-0.5, -2.25, -1)
const WHOLE = { s: -3.75, n: 3, ep: "wasm", v: 1 } as const

const recordOf = (...logProbs: readonly number[]) => encodeRecord(Float32Array.from(logProbs), "webgpu")
const read = ({ value, metadata }: ReturnType<typeof encodeRecord>) => decodeRecord(value, metadata, metadata.n)

describe("a reference record", () => {
  it("is named by sixteen digits of the fingerprint and the response's digest", () => {
    const key = recordKey("0123456789abcdef".repeat(4), "a".repeat(64))
    expect(key).toBe(`rl1:0123456789abcdef:${"a".repeat(64)}`)
  })

  it("holds f32 little-endian values with their sum, count, place and version", () => {
    const { value, metadata } = encodeRecord(LOG_PROBS, "wasm")
    expect([...new Uint8Array(value)]).toEqual([0, 0, 0, 0xbf, 0, 0, 0x10, 0xc0, 0, 0, 0x80, 0xbf])
    expect(metadata).toEqual(WHOLE)
  })

  it("is read back as it was written, wherever it was computed", () => {
    for (const place of ["wasm", "webgpu"] as const) {
      const { value, metadata } = encodeRecord(LOG_PROBS, place)
      expect(metadata.ep).toBe(place)
      expect(decodeRecord(value, metadata, 3)).toEqual(LOG_PROBS)
    }
  })

  it.each<[string, Float32Array, object | null, number]>([
    ["of another length", LOG_PROBS, WHOLE, 4],
    ["of another length that its count admits", LOG_PROBS, { ...WHOLE, n: 4 }, 4],
    ["without metadata", LOG_PROBS, null, 3],
    ["of another version", LOG_PROBS, { ...WHOLE, v: 2 }, 3],
    ["without a version", LOG_PROBS, { s: -3.75, n: 3 }, 3],
    ["whose count disagrees", LOG_PROBS, { ...WHOLE, n: 2 }, 3],
    ["whose sum disagrees", LOG_PROBS, { ...WHOLE, s: -3 }, 3],
    ["without a sum", LOG_PROBS, { n: 3, v: 1 }, 3],
    ["that is not finite", Float32Array.of(-0.5, Number.NaN, -1), WHOLE, 3],
    ["with a positive log-prob", Float32Array.of(-4.75, 2, -1), WHOLE, 3],
  ])("%s counts as missing", (_, values, metadata, responseTokens) => {
    expect(decodeRecord(values.buffer as ArrayBuffer, metadata, responseTokens)).toBeUndefined()
    expect(decodeRecord(LOG_PROBS.buffer, WHOLE, 3)).toEqual(LOG_PROBS)
  })

  it("may hold a log-prob that rounding lifted to a thousandth above 0, and none above that", () => {
    expect(read(recordOf(0.000_999, -1))).toEqual(Float32Array.of(0.000_999, -1))
    expect(read(recordOf(0.001_001, -1))).toBeUndefined()
  })

  it("holds no number that is not finite, also where its own sum says the same", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const { value: bytes, metadata } = recordOf(value, -1)
      expect(decodeRecord(bytes, metadata, 2)).toBeUndefined()
      expect(decodeRecord(bytes, { ...metadata, s: -1 }, 2)).toBeUndefined()
    }
  })

  it("may differ from its sum by a thousandth of a nat per token either way, and by no more", () => {
    const { value, metadata } = recordOf(-0.5, -2.25, -1)
    for (const direction of [1, -1]) {
      expect(decodeRecord(value, { ...metadata, s: -3.75 + direction * 0.002_999 }, 3)).toEqual(LOG_PROBS)
      expect(decodeRecord(value, { ...metadata, s: -3.75 + direction * 0.003_001 }, 3)).toBeUndefined()
    }
  })
})
