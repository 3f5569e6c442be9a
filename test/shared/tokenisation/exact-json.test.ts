import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { canonicalJson } from "#shared/formats/digest.ts"
import { membersOf, numberOfText, numberText, parseRow, parseTools } from "#shared/tokenisation/exact-json.ts"

const numberSource = fc.constantFrom(
  "0",
  "-0",
  "1",
  "1.0",
  "1.50",
  "0.1",
  "-0.0",
  "1e5",
  "1E-7",
  "1e-07",
  "1e400",
  "9007199254740993",
  "12345678901234567890",
  "0.1000000000000000055511151231257827",
  "123456789.123",
)

/** A JSON text with its numbers as they are written. */
const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    numberSource,
    fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
    fc.constantFrom("true", "false", "null", "{}", "[ ]", '"\\u00e9\\"{[,"'),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(" , ")}]`),
    fc
      .uniqueArray(fc.tuple(fc.constantFrom("a", "10", "9", "tools", "b\\n", "__proto__"), tie("value")), {
        selector: ([key]) => key,
        maxLength: 5,
      })
      .map((members) => `{\n${members.map(([key, value]) => `"${key}" : ${value}`).join(",")}\t}`),
  ),
})).value

describe("a row", () => {
  test("is what JSON.parse makes of it where no tools are", () => {
    expect(parseRow('{"score": 1.0, "id": 12345678901234567890, "2": 1, "1": 2}')).toEqual({
      score: 1,
      id: 12345678901234567000,
      2: 1,
      1: 2,
    })
  })

  test("keeps the text of a number inside of tools and tool_calls only where Python prints it otherwise", () => {
    const { tools, score } = parseRow('{"tools": [1, 1.5, 1.0, 1e2, -0, 3e-7], "score": 2.0}') as {
      readonly tools: readonly unknown[]
      readonly score: number
    }
    expect(tools.map((each) => typeof each)).toEqual(["number", "number", "object", "object", "number", "number"])
    expect(tools.map(numberText)).toEqual(["1", "1.5", "1.0", "1e2", "0", "3e-7"])
    expect(score).toBe(2)
  })

  test("is written again by JSON.stringify and by canonical JSON as it was", () => {
    const text = '{"tools":[{"a":1.0,"b":12345678901234567890}]}'
    expect(JSON.stringify(parseRow(text))).toBe(text)
    expect(canonicalJson(parseRow(text))).toBe(text)
  })

  test("of two texts that differ in a tool's number has two digests", () => {
    expect(canonicalJson(parseRow('{"tools":[1.0]}'))).not.toBe(canonicalJson(parseRow('{"tools":[1]}')))
  })
})

describe("tools held as text", () => {
  test("know their keys' order", () => {
    const [tool] = parseTools('[{"b": 1, "10": {"z": 1, "0": 2}, "9": 3}]') as readonly [object]
    expect(membersOf(tool).map(([key]) => key)).toEqual(["b", "10", "9"])
    expect(membersOf(membersOf(tool)[1]![1] as object).map(([key]) => key)).toEqual(["z", "0"])
  })

  test("have the values that JSON.parse reads, whatever the text", () => {
    const plain = (value: unknown): unknown => {
      const text = numberText(value)
      if (text !== undefined) return Number(text) + 0
      if (Array.isArray(value)) return value.map(plain)
      if (typeof value !== "object" || value === null) return value
      return new Map(Object.entries(value).map(([key, member]) => [key, plain(member)]))
    }
    fc.assert(
      fc.property(jsonText, (text) => {
        expect(plain(parseTools(text))).toEqual(plain(JSON.parse(text)))
      }),
      { numRuns: 500 },
    )
  })
})

test.each([
  ["1", 1n],
  ["-0", 0n],
  ["12345678901234567890", 12345678901234567890n],
  ["1.0", 1],
  ["1e400", Number.POSITIVE_INFINITY],
])("Python's json reads %s as an int or a float", (text, number) => {
  expect(numberOfText(text)).toBe(number)
})
