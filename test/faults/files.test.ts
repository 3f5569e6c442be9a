// Files that users of other tools reported, each by the real command: `yohaku data check` says what is right of it, and nothing else.
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, expect, test } from "vitest"
import { runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { REPORTED, type Right } from "./reported.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const inputs = path.join(import.meta.dirname, "inputs")

/** The whole answer, but for the summary. */
const answerOf = ({ rows = 1, pairs = [], dropped = [], ignoredColumns = [], ...rest }: Right) => {
  return { rows, pairs, labelled: [], responses: [], dropped, ignoredColumns, ...rest }
}

test.each(REPORTED)("row $row: $file", async ({ file, argv = [], right }) => {
  const { code, told, result } = await runYohakuJson("data", "check", path.join(inputs, file), ...argv)
  expect({ code, told }).toEqual({ code: 0, told: "" })
  const { summary, ...checked } = result
  expect(checked).toEqual(answerOf(right))
  const counted = Object.values<number>(summary.dropped).reduce((sum, count) => sum + count, 0)
  expect(counted).toBe(right.dropped?.length ?? 0)
})

const MARK = "\ufeff"
const texts = REPORTED.filter(({ file }) => !file.endsWith(".parquet") && !file.startsWith("45"))

test.each(texts)("row 45: a byte order mark before $file changes nothing", async ({ file, argv = [], right }) => {
  const marked = workspace.write(file, MARK + readFileSync(path.join(inputs, file), "utf8"))
  const { code, result } = await runYohakuJson("data", "check", marked, ...argv)
  const { summary: _, ...checked } = result
  expect({ code, checked }).toEqual({ code: 0, checked: answerOf(right) })
})

test("row 01 is read by the criterion that is named, and row 'two rankings' by the question", async () => {
  const read = async (file: string, question: string) => {
    const form = path.join(inputs, `form-${question}.json`)
    const { result } = await runYohakuJson("data", "check", path.join(inputs, file), "--form", form)
    return result.pairs
  }
  const [one, two] = [
    { row: 1, prompt: "Q?", chosen: "one", rejected: "two" },
    { row: 1, prompt: "Q?", chosen: "two", rejected: "one" },
  ]
  expect(await read("01-ls-two-rating-criteria.json", "helpful")).toEqual([one])
  expect(await read("01-ls-two-rating-criteria.json", "style")).toEqual([two])
  const tea = { row: 1, prompt: "What is tea?" }
  expect(await read("argilla-two-rankings.jsonl", "helpful")).toEqual([
    { ...tea, chosen: "A drink.", rejected: "A rock." },
  ])
  expect(await read("argilla-two-rankings.jsonl", "style")).toEqual([
    { ...tea, chosen: "A rock.", rejected: "A drink." },
  ])
})

test("the installed command, in a process of its own, says the same", () => {
  const { file, argv = [], right } = REPORTED.find(({ row }) => row === "35")!
  const yohaku = path.resolve(import.meta.dirname, "../../gpu-runner/cli/yohaku.mjs")
  const argumentsGiven = [yohaku, "data", "check", path.join(inputs, file), "--json", ...argv]
  const { status, stdout, stderr } = spawnSync(process.execPath, argumentsGiven, { encoding: "utf8" })
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
  const { summary: _, ...checked } = JSON.parse(stdout)
  expect(checked).toEqual(answerOf(right))
})

test("every row of the table has its input and its test, and every input is in the table", () => {
  const room = import.meta.dirname
  const tests = ["reported.ts", "models.test.ts", "../workers/gateway/reported-faults.test.ts"]
  const written = tests.map((name) => readFileSync(path.join(room, name), "utf8")).join("\n")
  const readme = readFileSync(path.join(room, "README.md"), "utf8")
  expect(readme.split("\n").flatMap((line) => /^\| (\d\db?) +\|/.exec(line)?.[1] ?? [])).toEqual(ROWS)
  for (const row of ROWS) expect(written).toMatch(new RegExp(`row: "${row}"|row ${row}:`))
  for (const file of readdirSync(inputs).filter((name) => !name.startsWith("form-"))) {
    expect(readme).toContain(`\`${file}\``)
    expect(written).toContain(file)
  }
})

/** The rows of the table of reported failures, none of which may go missing. */
const ROWS =
  "01 03 03b 04 05 06 09 09b 10 11 12 13 14 15 17 18 19 20 21 30 31 32 33 33b 35 36 38 38b 39 41b 42 43 44 45".split(
    " ",
  )
