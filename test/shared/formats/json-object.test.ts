import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { findDuplicateKey, readJsonObject } from "#shared/formats/json-object.ts"

const FAULTS = {
  notUtf8: "not UTF-8",
  notJson: "not JSON",
  notObject: "not an object",
  repeatedKey: (key: string) => `${key} twice`,
}
class Refused extends Error {}

const read = (input: Uint8Array | string) => readJsonObject(input, FAULTS, (message) => new Refused(message))
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("one JSON object", () => {
  it("is read from a text and from UTF-8 bytes, with a byte order mark or without", () => {
    expect(read('{"a": {"a": [1, "é"]}}')).toEqual({ a: { a: [1, "é"] } })
    expect(read(utf8('{"a": {"a": [1, "é"]}}'))).toEqual({ a: { a: [1, "é"] } })
    expect(read(Uint8Array.of(0xef, 0xbb, 0xbf, ...utf8("{}")))).toEqual({})
  })

  it.each([
    ["bytes that are not UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), "not UTF-8"],
    ["half an object", '{"a": 1', "not JSON"],
    ["a list", "[1]", "not an object"],
    ["null", "null", "not an object"],
    ["a text", '"{}"', "not an object"],
    ["a key twice", '{"a": 1, "b": 2, "a": 3}', "a twice"],
    ["a key twice, once with an escape", '{"a": 1, "\\u0061": 3}', "a twice"],
    ["a key twice, its colons after white space", '{"a" :1, "a"\n\t\r :2}', "a twice"],
    ["a key twice in an inner object", '{"a": [{"b": 1, "b": 1}]}', "b twice"],
  ])("refuses %s in the caller's words and by its error", (_, input, words) => {
    expect(() => read(input)).toThrow(new Refused(words))
  })

  it("may hold one key in several objects, and a text that looks like a key", () => {
    expect(
      findDuplicateKey('{"a": {"a": 1}, "b": [{"c": 1}, {"c": 2}], "d": "\\"a\\": {", "e": ["a", "a"]}'),
    ).toBeUndefined()
  })

  it("whatever JSON.stringify wrote is read back, and no key of it is found twice", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const text = JSON.stringify(value)
        expect(read(text)).toEqual(JSON.parse(text))
      }),
    )
  })
})
