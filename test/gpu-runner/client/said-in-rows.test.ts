// A row that is sent to the API says and takes back what the import of its file does: when, by whom, about what.
import { readFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { importLines, noFindings } from "#gpu-runner/client/import-lines.ts"
import { InvalidPreferenceRow } from "#shared/judgement/preference-rows.ts"
import { sentByRow } from "#shared/judgement/sent-comparisons.ts"
import { createWorkspace, jsonLines } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

type Fields = Readonly<Record<string, unknown>>

const shapesFile = path.join(import.meta.dirname, "../data/rows/shapes/shapes.json")
const shapes: Readonly<Record<string, readonly Fields[]>> = JSON.parse(readFileSync(shapesFile, "utf8"))

/** What a file's import sends of its only record. */
const imported = async (record: Fields) => {
  const [said, over, faults]: [unknown[], unknown[], string[]] = [[], [], []]
  for await (const line of importLines(workspace.write("row.jsonl", jsonLines([record])), "rows", {}, noFindings())) {
    if ("retraction" in line) over.push(line.retraction)
    else if ("bytes" in line) said.push(JSON.parse(new TextDecoder().decode(line.bytes)))
    else faults.push(line.fault)
  }
  return { said, over, faults }
}

/** Whether the row was held against the import; a row of several judgements, or with a field that nobody reads, is refused. */
const isAlike = async (record: Fields): Promise<boolean> => {
  const row = await sentByRow(JSON.stringify(record)).catch((error: unknown) => {
    if (error instanceof InvalidPreferenceRow) return undefined
    throw error
  })
  const { said, over, faults } = await imported(record)
  if (row === undefined || said.length > 1) return false
  const isRefused = row.said instanceof InvalidPreferenceRow
  expect(isRefused ? [] : [JSON.parse(JSON.stringify(row.said))]).toEqual(faults.length > 0 ? [] : said)
  expect(row.over).toEqual(over)
  return !isRefused
}

const times = fc.constantFrom(
  "2026-11-20T00:00:00Z",
  "2026-11-21 10:00:00",
  "2026-11-22T10:00:00Z",
  "yesterday",
  undefined,
)
const tasks = fc.record({
  id: fc.constant(9),
  data: fc.constantFrom({ prompt: "q", answer_1: "a", answer_2: "b" }, { prompt: "q", answer_1: " ", answer_2: "b" }),
  annotations: fc.array(
    fc.record({
      id: fc.constantFrom(77, "78"),
      completed_by: fc.constantFrom(3, undefined),
      was_cancelled: fc.constantFrom(false, false, true),
      updated_at: times,
      result: fc
        .constantFrom("left", "right", "up")
        .map((selected) => [{ type: "pairwise", from_name: "p", to_name: "answer_1,answer_2", value: { selected } }]),
    }),
    { minLength: 1, maxLength: 1 },
  ),
})
const comparisons = fc.record({
  externalId: fc.constantFrom("c1", undefined),
  prompt: fc.constant("q"),
  candidates: fc.constantFrom("2", "3", "4", "1", "").map((text) => [
    { id: "a", response: "1" },
    { id: "b", response: text },
  ]),
  judgement: fc.constantFrom<object>(
    ...[{ kind: "choice", winner: "a" }, { kind: "tie" }, { kind: "strength", value: -2 }],
    ...[
      { kind: "rating", scores: { a: 1, b: 2 } },
      { kind: "rating", scores: { a: 1, b: null } },
    ],
  ),
  annotator: fc.constantFrom("ann", undefined),
  task: fc.constantFrom("tea", undefined),
  labelledAt: times,
})

describe("a row sent to the API", () => {
  it("is what its import sends, in every shape whose fields are all read", async () => {
    const alike: string[] = []
    for (const [name, records] of Object.entries(shapes))
      for (const record of records) if (await isAlike({ ...record })) alike.push(name)
    expect(new Set(alike).size).toBeGreaterThan(15)
  })

  it("is what its import sends, whatever was said, when and by whom, and whatever it says no more", async () => {
    let held = 0
    await fc.assert(
      fc.asyncProperty(fc.oneof(tasks, comparisons), async (record) => {
        if (await isAlike(JSON.parse(JSON.stringify(record)))) held += 1
      }),
      { numRuns: 300 },
    )
    expect(held).toBeGreaterThan(60)
  })
})
