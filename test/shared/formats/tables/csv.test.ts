// RFC 4180: what is one row, whatever the pieces in which the text comes.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { CsvSplitter, InvalidCsv } from "#shared/formats/tables/csv.ts"

function split(...pieces: readonly string[]) {
  const splitter = new CsvSplitter()
  const rows = pieces.flatMap((piece) => splitter.push(piece))
  const last = splitter.end()
  return last === undefined ? rows : [...rows, last]
}
const cellsOf = (...pieces: readonly string[]) => split(...pieces).map(({ cells }) => cells)

describe("a row that is none", () => {
  const passing = (text: string) => {
    const splitter = new CsvSplitter({ passesOverFaults: true })
    const rows = [...text].flatMap((piece) => splitter.push(piece))
    const last = splitter.end()
    return [...rows, ...(last === undefined ? [] : [last])]
  }

  test("is passed over up to its line end where that is asked for, and the others are there", () => {
    expect(passing('a,b\nc "x",d\n"e"f,g\nh,i\nj,k"')).toEqual([
      { line: 1, cells: ["a", "b"] },
      { line: 2, cells: [], fault: expect.stringContaining("stands inside a cell without quotes") },
      { line: 3, cells: [], fault: expect.stringContaining("follows the closing quote") },
      { line: 4, cells: ["h", "i"] },
      { line: 5, cells: [], fault: expect.stringContaining("stands inside a cell without quotes") },
    ])
  })

  test("that never ends is an error all the same, since it may hold all others", () => {
    expect(() => passing('a,b\n"c,d\ne,f\n')).toThrow(InvalidCsv)
  })
})

describe("rows of cells", () => {
  const cases: readonly (readonly [string, string, readonly (readonly string[])[]])[] = [
    [
      "a line end at the end or none",
      "a,b\nc,d",
      [
        ["a", "b"],
        ["c", "d"],
      ],
    ],
    [
      "CRLF",
      "a,b\r\nc,d\r\n",
      [
        ["a", "b"],
        ["c", "d"],
      ],
    ],
    ["a CR at the very end", "a,b\r", [["a", "b"]]],
    [
      "empty cells",
      ",a,\n,,\n",
      [
        ["", "a", ""],
        ["", "", ""],
      ],
    ],
    ["quotes, commas and line ends inside quotes", '"a ""b"" c","d,e","f\r\ng"\n', [['a "b" c', "d,e", "f\r\ng"]]],
    ["an empty quoted cell", '""\n"",""', [[""], ["", ""]]],
    ["empty lines between rows", "a\n\n\r\nb\n\n", [["a"], ["b"]]],
    ["spaces as they are", " a , b \n", [[" a ", " b "]]],
    ["nothing", "", []],
  ]
  test.each(cases)("with %s", (_, text, expected) => {
    expect(cellsOf(text)).toEqual(expected)
    expect(cellsOf(...text)).toEqual(expected)
  })

  test("know the line on which they start", () => {
    expect(split('a\n"b\nb"\n\nc').map(({ line }) => line)).toEqual([1, 2, 5])
  })

  test("come back from any cells that were written, in any pieces", () => {
    const cell = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r", " ", "é") })
    const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 })
    const cuts = fc.array(fc.nat(60), { maxLength: 6 })
    fc.assert(
      fc.property(table, cuts, (rows, places) => {
        const text = rows
          .map((cells) => `${cells.map((value) => `"${value.replaceAll('"', '""')}"`).join(",")}\r\n`)
          .join("")
        const at = [0, ...places.toSorted((a, b) => a - b), text.length]
        const pieces = at.slice(1).map((end, index) => text.slice(at[index], Math.max(end, at[index]!)))
        expect(cellsOf(...pieces)).toEqual(rows)
      }),
      { numRuns: 300 },
    )
  })
})

describe("faults name the row's line", () => {
  const faults: readonly (readonly [string, string, number, string])[] = [
    ["a quote inside an unquoted cell", 'a\nb"c\n', 2, "inside a cell without quotes"],
    ["text after a closing quote", '"a"b\n', 1, "follows the closing quote"],
    ["a quote that never closes", 'a\n"b\nc\n', 2, "never ends"],
  ]
  test.each(faults)("%s", (_, text, line, message) => {
    expect(() => split(text)).toThrow(InvalidCsv)
    try {
      split(text)
    } catch (error) {
      expect(error).toMatchObject({ line, message: expect.stringContaining(message) })
    }
  })
})
