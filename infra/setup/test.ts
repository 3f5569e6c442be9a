// `npm test`: formatting, lint and layer rules, types for each runtime, then every test project. Prints one closing line.
// Arguments go to vitest, and then only the tests run: npm test -- test/shared
// `npm run test:full` (--full): the same, with the tests that need many minutes at full length; which those are is said at the end.
import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import path from "node:path"
import { runTests } from "./test-lanes.ts"

const root = path.resolve(import.meta.dirname, "../..")

const told = async <A>(title: string, work: () => A | Promise<A>, isOk: (result: A) => boolean): Promise<A> => {
  const startedAt = performance.now()
  console.log(`\n── ${title}`)
  const result = await work()
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`── ${title}: ${isOk(result) ? "ok" : "FAILED"}, ${seconds} s`)
  return result
}

const step = (title: string, command: string, commandArguments: readonly string[]): Promise<boolean> =>
  told(
    title,
    () =>
      spawnSync(path.join(root, "node_modules/.bin", command), commandArguments, { cwd: root, stdio: "inherit" })
        .status === 0,
    Boolean,
  )

const checks = async (): Promise<boolean> => {
  const results = [
    await step("format, lint, layers", "biome", ["check", "--error-on-warnings", "."]),
    await step("types: node", "tsc", ["-p", "tsconfig.json"]),
    await step("types: workerd", "tsc", ["-p", "tsconfig.workers.json"]),
    await step("types: browser", "tsc", ["-p", "tsconfig.browser.json"]),
  ]
  return results.every(Boolean)
}

const FULL_RUN_IMPORT = /from "#test\/full-run\.ts"/

/** Test files that do more in the full run. */
const shortened = (): string[] =>
  globSync("test/**/*.test.ts", { cwd: root })
    .filter((file) => FULL_RUN_IMPORT.test(readFileSync(path.join(root, file), "utf8")))
    .sort()

const selected = process.argv.slice(2).filter((argument) => argument !== "--full")
if (selected.length < process.argv.length - 2) process.env.YOHAKU_FULL = "1"
const isChecked = selected.length > 0 || (await checks())
const { isPassed, counts, failures } = await told(
  "tests",
  () => runTests(root, selected),
  (outcome) => outcome.isPassed,
)
if (selected.length === 0 && process.env.YOHAKU_FULL !== "1")
  console.log(`\nshorter than in npm run test:full: ${shortened().join(", ")}`)
for (const failure of failures) console.log(`FAILED ${failure}`)
console.log(
  counts
    ? `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`
    : "\nno test report was written: the test runner itself failed, see above",
)
process.exit(isChecked && isPassed ? 0 : 1)
