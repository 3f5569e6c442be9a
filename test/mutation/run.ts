// Which small mistakes would the tests let through? Changes one place of a source at a time, in a copy of the checkout, and runs
// the tests that are named for it. Prints the survivors.
// usage: npm run mutants -- shared/wire/reference-record.ts=test/shared/wire [more …] [--most 60] [--seed 1] [--json]
import { execFile, spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { parseArgs, promisify } from "node:util"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { type Mutant, mutantsOf, mutated } from "./mutants.ts"

interface Target {
  readonly file: string
  readonly tests: readonly string[]
}

interface Trial extends Mutant {
  readonly file: string
  readonly tests: readonly string[]
}

const root = path.resolve(import.meta.dirname, "../..")
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    most: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
})

const targets: Target[] = positionals.map((text) => {
  const [file = "", tests = ""] = text.split("=")
  if (!file.endsWith(".ts") || tests === "")
    throw new Error(`${text}: write a source and its tests, file.ts=test/folder`)
  return { file, tests: tests.split(",") }
})
if (targets.length === 0) throw new Error("name at least one source and its tests: file.ts=test/folder")

/** The files that git knows or would add, as they are now. */
const copyOfCheckout = (): string => {
  const copy = mkdtempSync(path.join(tmpdir(), "yohaku-mutants-"))
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root })
  for (const name of listed.stdout.toString().split("\0").filter(Boolean))
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
  symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"))
  return copy
}

const interruption = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interruption.abort())

/** A mutant that never ends counts as killed. */
const passes = async (directory: string, tests: readonly string[]): Promise<boolean> => {
  const { signal } = interruption
  const command = promisify(execFile)(path.join(root, "node_modules/.bin/vitest"), ["run", "--bail", "1", ...tests], {
    cwd: directory,
    timeout: 180_000,
    signal,
  })
  const run = await command.then(
    ({ stdout }) => ({ isPassed: true, text: stdout }),
    ({ stdout, stderr }: { stdout?: string; stderr?: string }) => ({ isPassed: false, text: `${stdout}${stderr}` }),
  )
  if (signal.aborted) process.exit(1)
  if (/No test files found/.test(run.text)) throw new Error(`no test files match ${tests.join(", ")}`)
  return run.isPassed
}

const sampled = (): Trial[] => {
  const random = new SeededRandom(Number(values.seed), "mutants")
  const all = targets.flatMap(({ file, tests }) =>
    mutantsOf(readFileSync(path.join(root, file), "utf8")).map((mutant) => ({ ...mutant, file, tests })),
  )
  return [...random.permutation(all.length)].slice(0, Number(values.most)).map((index) => all[index]!)
}

const copy = copyOfCheckout()
process.on("exit", () => rmSync(copy, { recursive: true, force: true }))
for (const { file, tests } of targets)
  if (!(await passes(copy, tests)))
    throw new Error(`${tests.join(", ")} fails before anything is changed (for ${file})`)

const trials = sampled()
const survivors: Trial[] = []
for (const [index, trial] of trials.entries()) {
  const target = path.join(copy, trial.file)
  const source = readFileSync(target, "utf8")
  writeFileSync(target, mutated(source, trial))
  const survives = await passes(copy, trial.tests)
  writeFileSync(target, source)
  if (survives) survivors.push(trial)
  const change = `${trial.file}:${trial.line} «${trial.from.trim()}» → «${trial.to.trim()}»`
  console.error(`${index + 1}/${trials.length} ${survives ? "SURVIVES" : "killed  "} ${change}`)
}
if (values.json) console.log(JSON.stringify({ mutants: trials.length, survivors }))
else console.log(`${trials.length} mutants, ${trials.length - survivors.length} killed, ${survivors.length} survive`)
process.exit(survivors.length === 0 ? 0 : 1)
