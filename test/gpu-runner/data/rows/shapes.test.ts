// Every accepted shape in every container: the same pairs, labels and reasons from each.
import { readFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { afterAll, describe, expect, test } from "vitest"
import { checkData } from "#gpu-runner/data/rows/checked-data.ts"
import { createWorkspace, jsonLines } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

type RecordOfData = Readonly<Record<string, unknown>>
const folder = path.join(import.meta.dirname, "shapes")
const shapes: Readonly<Record<string, readonly RecordOfData[]>> = JSON.parse(
  readFileSync(path.join(folder, "shapes.json"), "utf8"),
)

/** Text as it is, null as an empty cell, all else as its JSON. */
function csv(records: readonly RecordOfData[]): string {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))]
  const cell = (value: unknown) => {
    const text = typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value)
    return `"${text.replaceAll('"', '""')}"`
  }
  const rows = records.map((record) =>
    columns.map((column) => cell(Object.hasOwn(record, column) ? record[column] : null)),
  )
  return [columns.map(cell), ...rows].map((cells) => `${cells.join(",")}\n`).join("")
}

/** What a file teaches, without the words of what was dropped. */
async function taught(file: string) {
  const { rows, pairs, labelled, responses, dropped } = await checkData(file, {})
  return { rows, pairs, labelled, responses, dropped: dropped.map(({ row, reason }) => ({ row, reason })) }
}

const containers = {
  lines: (records: readonly RecordOfData[]) => workspace.write("data.jsonl", jsonLines(records)),
  array: (records: readonly RecordOfData[]) => workspace.write("data.json", JSON.stringify(records, null, 1)),
  table: (records: readonly RecordOfData[]) => workspace.write("data.csv", csv(records)),
}

describe.each(Object.entries(shapes))("%s", (name, records) => {
  test("is the same from JSON Lines, a JSON array, CSV and Parquet", async () => {
    const fromLines = await taught(containers.lines(records))
    const { rows, pairs, labelled, responses, dropped } = fromLines
    expect(rows).toBe(records.length)
    expect(pairs.length + labelled.length + responses.length).toBeGreaterThan(0)
    expect(dropped.filter(({ reason }) => reason === "bad-row")).toEqual([])
    expect(await taught(containers.array(records))).toEqual(fromLines)
    expect(await taught(containers.table(records))).toEqual(fromLines)
    expect(await taught(path.join(folder, `${name}.parquet`))).toEqual(fromLines)
  })
})

// Names that some shape has, names of public sets, and any names.
const marks = ["question", "messages", "answers", "options", "winner", "context", "label", "completion", "response"]
const columns = fc.oneof(
  fc.constantFrom("chosen-rating", "metadata", "system", "source", "judgement", "candidates", ...marks),
  fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
)
const values = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("\ud800", 1e20, "[{'role': 'user'}]", null))
const words = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => `x${text}`)

test("columns that nobody reads, whatever they hold, change no pair", async () => {
  const extras = fc.dictionary(columns, values, { maxKeys: 5 })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(words, extras), { minLength: 1, maxLength: 4 }), async (given) => {
      const plain = given.map(([text], row) => ({ prompt: `${row} ${text}`, chosen: `${text}a`, rejected: `${text}b` }))
      const own = ["id", "prompt", "chosen", "rejected", "tools"]
      const isForeign = ([name]: [string, unknown]) => !own.includes(name) && !/\.(responses|suggestion)$/.test(name)
      const wide = given.map(([, extra], row) => ({
        ...Object.fromEntries(Object.entries(extra).filter(isForeign)),
        ...plain[row],
      }))
      const expected = await taught(containers.lines(plain))
      expect(expected.pairs).toHaveLength(plain.length)
      expect(await taught(containers.lines(wide))).toEqual(expected)
      expect(await taught(containers.array(wide))).toEqual(expected)
      const tables = wide.map((record) =>
        Object.fromEntries(Object.entries(record).map(([name, value]) => [name.toWellFormed(), value])),
      )
      expect(await taught(containers.table(tables))).toEqual(expected)
    }),
    { numRuns: 60 },
  )
})

const bad = fc.constantFrom(
  '{"prompt":"p","chosen":"a"}',
  '{"prompt":"p","chosen":7,"rejected":"b"}',
  '{"prompt":"p","chosen":"\\ud83d","rejected":"b"}',
  '{"id":1234567890123456789,"prompt":"p","chosen":"a","rejected":"b"}',
  '{"prompt":"p","chosen":"a","chosen":"c","rejected":"b"}',
  '{"chosen":[],"rejected":[],"prompt":[{"role":"user","content":"q"}],"tools":[5],"chosen":7}',
  '{"prompt":"p","completion":"a","label":{"toString":1}}',
  '{"chosen":[{"role":"Human","content":"q"}],"rejected":[{"role":"Human","content":"q"}]}',
  '{"text":"a row of no known shape"}',
  "[]",
  "7",
)
const brokenLine = fc.constantFrom("{", "nonsense", '{"prompt":"\xff"')

test("a bad row among good ones is dropped and counted, wherever it stands, and the others give the same rows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(20), bad, brokenLine, async (place, row, broken) => {
      const good = Array.from({ length: 20 }, (_, i) => ({ prompt: `p${i}`, chosen: "yes", rejected: "no" }))
      const expected = (await taught(containers.lines(good))).pairs.map(({ row: _, ...pair }) => pair)
      const texts = good.map((record) => JSON.stringify(record))
      const table = csv(good).trimEnd().split("\n")
      const files = [
        workspace.write("bad.jsonl", texts.toSpliced(place, 0, row).join("\n")),
        workspace.write("broken.jsonl", texts.toSpliced(place, 0, broken).join("\n")),
        workspace.write("bad.json", `[${texts.toSpliced(place, 0, row).join(",")}]`),
        workspace.write("short.csv", table.toSpliced(place + 1, 0, "a,b").join("\n")),
        workspace.write("quote.csv", table.toSpliced(place + 1, 0, 'a,b "x" c,d').join("\n")),
      ]
      for (const file of files) {
        const { pairs, dropped, rows, refusal } = await checkData(file, {})
        expect(
          pairs.map(({ row: _, ...pair }) => pair),
          file,
        ).toEqual(expected)
        expect(
          dropped.map(({ row: at, reason }) => [at, reason]),
          file,
        ).toEqual([[place + 1, "bad-row"]])
        expect([rows, refusal], file).toEqual([21, undefined])
      }
    }),
    { numRuns: 40 },
  )
})
