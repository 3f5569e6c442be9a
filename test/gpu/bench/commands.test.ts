// The commands that measure beside other systems and on a GPU work from end to end, at sizes that say nothing about speed. PyTorch and the
// peers that would have to be installed are left out: a test installs nothing.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { afterAll, expect, test } from "vitest"

const root = path.resolve(import.meta.dirname, "../../..")
const folder = mkdtempSync(path.join(os.tmpdir(), "yohaku-bench-commands-"))
afterAll(() => rmSync(folder, { recursive: true }))

interface Finished {
  readonly code: number | null
  readonly text: string
  readonly json: Record<string, unknown>
}

function command(script: string, ...words: readonly string[]): Finished {
  const file = path.join(folder, `${path.basename(script)}.json`)
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(root, script), ...words, "--json", file], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, YOHAKU_PYTHON: "/nowhere/python" },
  })
  return { code: status, text: stdout + stderr, json: JSON.parse(readFileSync(file, "utf8")) as Finished["json"] }
}

test("bench:gpu measures every part on whatever adapter there is, and says why PyTorch is not among them", () => {
  const parts = ["adapter", "matmul", "dispatch", "attention", "head", "pairs", "step in bf16", "step in nf4"]
  const { code, text, json } = command("test/bench/gpu.ts", "--smoke", "--only", parts.join(","))
  const outcomes = json.outcomes as { part: string; failure?: string; result?: Record<string, unknown> }[]
  expect(outcomes.map(({ part, failure }) => [part, failure])).toEqual(parts.map((part) => [part, undefined]))
  expect(code).toBe(0)
  expect(text).toContain("PyTorch is not measured: python3 has no torch here")
  expect(outcomes[0]!.result).toMatchObject({
    plain: { subgroupMatrices: expect.any(Array) },
    toggles: expect.any(String),
  })
  expect(outcomes[1]!.result!.results).toHaveLength(5)
})

test("what cannot be understood is said in one line, before anything is measured", () => {
  const refusal = (script: string, ...words: readonly string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [path.join(root, script), ...words], { encoding: "utf8" })
    return [status, stderr.trim()]
  }
  const [gpu, peers] = ["test/bench/gpu.ts", "test/bench/peers/compare.ts"]
  expect(refusal(gpu, "--sizes", "1")).toEqual([
    2,
    "Unknown option '--sizes'; there are --only, --json, --smoke (docs/performance.md)",
  ])
  expect(refusal(gpu, "--smoke", "--only", "conv")).toEqual([2, expect.stringMatching(/^--only conv is part of none/)])
  expect(refusal(peers, "--rounds", "0")).toEqual([2, "--rounds 0 is no whole number of at least 1"])
  expect(refusal(peers, "--only", "steps")).toEqual([
    2,
    "--only steps is part of none of: matmul; attention; log-probs; step",
  ])
})

test("bench:peers compares this engine with ONNX Runtime, each right by its samples and losses", () => {
  const { code, text, json } = command(
    "test/bench/peers/compare.ts",
    "--smoke",
    "--systems",
    "onnxruntime,pytorch",
    "--rounds",
    "1",
  )
  expect(code).toBe(0)
  const results = json.results as {
    task: { kind: string }
    rows: ({ system: string; verdict: { isRight: boolean; says: string } } | { system: string; notRun: string })[]
  }[]
  expect(results.map(({ task }) => task.kind)).toEqual(["matmul", "attention", "log-probs", "step", "step"])
  const ran = results.flatMap(({ rows }) => rows.filter((row) => "verdict" in row))
  expect(ran.filter(({ verdict }) => !verdict.isRight)).toEqual([])
  expect(ran.map(({ system }) => system)).toContain("onnxruntime-web wasm, 1 thread")
  expect(text).toContain("| PyTorch CPU, 2 threads | not run: /nowhere/python has no torch ≥ 2.5 and numpy |")
})
