import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { bytesToHex, canonicalJson, hexToBytes, referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"

describe("digests", () => {
  it("gives the published SHA-256 of abc, as text and as bytes", async () => {
    const published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    expect(await sha256Hex("abc")).toBe(published)
    expect(await sha256Hex(Uint8Array.of(120, 97, 98, 99, 120).subarray(1, 4))).toBe(published)
  })

  it("turns bytes to hex and back", () => {
    const bytes = Uint8Array.of(0, 1, 15, 16, 255)
    expect(bytesToHex(bytes)).toBe("00010f10ff")
    expect(hexToBytes("00010f10ff")).toEqual(bytes)
  })

  it("writes canonical JSON with sorted keys, no spaces and no undefined members", () => {
    const value = { b: [1, { d: null, c: "é\n" }], a: -0.5, skipped: undefined, "10": true, "9": false }
    expect(canonicalJson(value)).toBe('{"10":true,"9":false,"a":-0.5,"b":[1,{"c":"é\\n","d":null}]}')
  })

  it("refuses what JSON cannot hold", () => {
    expect(() => canonicalJson({ a: Number.NaN })).toThrow("finite")
    expect(() => canonicalJson([undefined])).toThrow("undefined")
    expect(() => canonicalJson(1n)).toThrow("bigint")
  })

  it("fingerprints a reference by the digest of its stated canonical JSON", async () => {
    const [weights, tokenizer] = ["1".repeat(64), "2".repeat(64)]
    const stated = `{"numerics":1,"precision":"f32","template":"","tokenizer":"${tokenizer}","weights":"${weights}"}`
    const expected = createHash("sha256").update(stated).digest("hex")
    expect(await referenceFingerprint({ weights, tokenizer, template: "" })).toBe(expected)
    expect(await referenceFingerprint({ weights, tokenizer, template: "3".repeat(64) })).not.toBe(expected)
    const rounded = createHash("sha256").update(stated.replace('"f32"', '"nf4"')).digest("hex")
    expect(await referenceFingerprint({ weights, tokenizer, template: "" }, "nf4")).toBe(rounded)
  })
})
