// The whole loop with models of published sizes: pushed to a real gateway, scored by a runner, trained on for two steps, evaluated and
// registered, and then again without a log-prob computed or a byte of weights fetched twice. Minutes each, so only in the full run.
import { spawn } from "node:child_process"
import path from "node:path"
import { expect, test } from "vitest"
import { root } from "#test/bench/load/running-system.ts"
import { isFullRun } from "#test/full-run.ts"

/** The fewest pairs of which a prompt is held out. */
const PAIRS = 9
const LAYOUTS = [
  { layout: "SmolLM2-135M", base: "stored", parameters: 134_515_008 },
  { layout: "Qwen2.5-0.5B-Instruct", base: "nf4", parameters: 494_032_768 },
]

/** What the program printed with --json, and its exit code. */
function wholeLoop(argv: readonly string[], signal: AbortSignal): Promise<{ code: number | null; report: unknown }> {
  const program = path.join(root, "test/bench/whole-loop.ts")
  const child = spawn(process.execPath, [program, ...argv, "--json"], { stdio: ["ignore", "pipe", "pipe"] })
  // It ends the system and the runner that it started.
  signal.addEventListener("abort", () => child.kill("SIGTERM"))
  let [printed, told] = ["", ""]
  child.stdout.on("data", (piece) => (printed += piece))
  child.stderr.on("data", (piece) => (told += piece))
  return new Promise((resolve, reject) => {
    child.on("close", (code) => {
      if (printed === "") reject(new Error(`it ended with ${code}: ${told.slice(-4000)}`))
      else resolve({ code, report: JSON.parse(printed) })
    })
  })
}

test.runIf(isFullRun).for(LAYOUTS)(
  "a model of $layout's layout goes round the whole loop on $base weights, in the memory that was planned, and nothing is done twice",
  { timeout: 3_600_000 },
  async ({ layout, base, parameters }, { signal }) => {
    const argv = ["--layout", layout, "--base", base, "--pairs", String(PAIRS), "--batch", "2"]
    const { code, report } = await wholeLoop(argv, signal)
    expect(report).toMatchObject({ layout, base, parameters, computed: [2 * PAIRS, 0], fetchedAgain: 0, broken: [] })
    expect(code).toBe(0)
  },
)
