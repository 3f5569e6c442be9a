// Puts a finished sweep's tables into docs/sweep.md, between its markers.
// usage: node infra/demo/sweep-page.ts --sweep DIRECTORY
import { readFileSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import type { CellResult } from "#gpu-runner/trainer/sweep/sweep-table.ts"

const PAGE = path.resolve(import.meta.dirname, "../../docs/sweep.md")
const BEGIN = "<!-- results: written by infra/demo/sweep-page.ts -->"
const END = "<!-- end of results -->"

/** The page with new results. Throws where a marker is missing. */
export function pageWithResults(page: string, results: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`the page lacks ${begin < 0 ? BEGIN : END}`)
  return `${page.slice(0, begin + BEGIN.length)}\n\n${results.trim()}\n\n${page.slice(end)}`
}

/** What the sweep's files say, with its cost. */
export function resultsOf(markdown: string, cells: readonly CellResult[], day: string): string {
  const seconds = cells.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0)
  const cost = `${cells.length} runs, ${Math.round(seconds / 60)} minutes of training, ${day}.`
  return `${cost} ${markdown.trim()}`
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { sweep: { type: "string", default: ".yohaku/sweep" } } })
  const { cells } = JSON.parse(readFileSync(path.join(values.sweep, "sweep.json"), "utf8")) as { cells: CellResult[] }
  const markdown = readFileSync(path.join(values.sweep, "sweep.md"), "utf8")
  const results = resultsOf(markdown, cells, new Date().toISOString().slice(0, 10))
  writeFileAtomically(PAGE, pageWithResults(readFileSync(PAGE, "utf8"), results))
  console.log(`${PAGE}: ${cells.length} cells`)
}
