// The test projects as runs of vitest in two lanes: most of them keep one core busy, and this machine may have two. A lane that is
// free takes the next run. Lines come out one by one as they are written; what failed is named again by the caller, from the reports.
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"

const LANES = 3

/** The longest first. Projects on Dawn are one run: on a card two of them would share its memory and its time. */
export const RUNS: readonly (readonly string[])[] = [
  ["gpu", "gpu-alone"],
  ["system"],
  ["orchestrator"],
  ["unit"],
  ["gateway"],
  ["scorer", "scorer-alone"],
]

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

export interface TestOutcome {
  readonly isPassed: boolean
  /** Undefined where a run of vitest wrote no report: it failed itself. */
  readonly counts: { readonly passed: number; readonly failed: number; readonly skipped: number } | undefined
  readonly failures: readonly string[]
}

const copyLines = (from: Readable, to: NodeJS.WritableStream): void => {
  createInterface(from).on("line", (line) => to.write(`${line}\n`))
}

const vitest = (root: string, commandArguments: readonly string[], isAlone: boolean): Promise<boolean> =>
  new Promise((resolve) => {
    const child = spawn(path.join(root, "node_modules/.bin/vitest"), ["run", ...commandArguments], {
      cwd: root,
      stdio: isAlone ? "inherit" : ["ignore", "pipe", "pipe"],
      env: process.stdout.isTTY ? { FORCE_COLOR: "1", ...process.env } : process.env,
    })
    if (child.stdout) copyLines(child.stdout, process.stdout)
    if (child.stderr) copyLines(child.stderr, process.stderr)
    child.once("error", () => resolve(false))
    child.once("close", (code) => resolve(code === 0))
  })

const readReport = (file: string): VitestReport | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as VitestReport
  } catch {
    return undefined
  }
}

const failuresOf = (root: string, { testResults }: VitestReport): string[] =>
  testResults
    .filter(({ status }) => status === "failed")
    .flatMap(({ name, assertionResults }) => {
      const failed = assertionResults.filter(({ status }) => status === "failed")
      const file = path.relative(root, name)
      return failed.length === 0 ? [file] : failed.map(({ fullName }) => `${file}: ${fullName}`)
    })

/** Runs what is selected by vitest's arguments, or everything. */
export const runTests = async (root: string, selected: readonly string[]): Promise<TestOutcome> => {
  const runs = selected.length > 0 ? [selected] : RUNS.map((names) => names.map((name) => `--project=${name}`))
  const folder = path.join(root, ".yohaku")
  mkdirSync(folder, { recursive: true })
  const files = runs.map((_, index) => path.join(folder, `test-report-${index + 1}.json`))
  for (const file of files) rmSync(file, { force: true })
  const waiting = [...runs.entries()]
  const passed: boolean[] = []
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, selection] = next
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${files[index]}`]
      passed.push(await vitest(root, [...reporters, ...selection], runs.length === 1))
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  const reports = files.map(readReport)
  const sum = (count: (report: VitestReport) => number): number =>
    reports.reduce((total, report) => total + (report ? count(report) : 0), 0)
  return {
    isPassed: passed.every(Boolean),
    counts: reports.every((report) => report !== undefined)
      ? {
          passed: sum((report) => report.numPassedTests),
          failed: sum((report) => report.numFailedTests),
          skipped: sum((report) => report.numPendingTests + report.numTodoTests),
        }
      : undefined,
    failures: reports.flatMap((report) => (report ? failuresOf(root, report) : [])),
  }
}
