// `npm test`: formatting, lint and layer rules, types for each runtime, then every test project. Prints one closing line.
// Arguments go to vitest, and then only the tests run: npm test -- test/shared
// `npm run test:full` (--full): the same, with the tests that need many minutes at full length.
import { spawnSync } from "node:child_process"
import { readFileSync, rmSync } from "node:fs"
import path from "node:path"

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly numFailedTestSuites: number
}

const root = path.resolve(import.meta.dirname, "../..")
const reportPath = path.join(root, ".yohaku", "test-report.json")

const step = (title: string, command: string, commandArguments: readonly string[]): boolean => {
  const startedAt = performance.now()
  console.log(`\n── ${title}`)
  const result = spawnSync(path.join(root, "node_modules/.bin", command), commandArguments, {
    cwd: root,
    stdio: "inherit",
  })
  console.log(
    `── ${title}: ${result.status === 0 ? "ok" : "FAILED"}, ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
  )
  return result.status === 0
}

const checks = (): boolean =>
  [
    step("format, lint, layers", "biome", ["check", "--error-on-warnings", "."]),
    step("types: node", "tsc", ["-p", "tsconfig.json"]),
    step("types: workerd", "tsc", ["-p", "tsconfig.workers.json"]),
    step("types: browser", "tsc", ["-p", "tsconfig.browser.json"]),
  ].every(Boolean)

const selected = process.argv.slice(2).filter((argument) => argument !== "--full")
if (selected.length < process.argv.length - 2) process.env.YOHAKU_FULL = "1"
rmSync(reportPath, { force: true })
const isChecked = selected.length > 0 || checks()
const isTested = step("tests", "vitest", [
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${reportPath}`,
  ...selected,
])
try {
  const report = JSON.parse(readFileSync(reportPath, "utf8")) as VitestReport
  const skipped = report.numPendingTests + report.numTodoTests
  console.log(`\n${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`)
} catch {
  console.log("\nno test report was written: the test runner itself failed, see above")
}
process.exit(isChecked && isTested ? 0 : 1)
