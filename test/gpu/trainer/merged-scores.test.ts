// Merging and scoring agree: the base with its adapter, and the merged model alone, give the same log-probs.
import { readFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import {
  createWorkspace,
  jsonLines,
  shard,
  storeAs,
  tinyPairs,
  writeTinyAdapter,
  writeTinyModel,
} from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const data = workspace.write("pairs.jsonl", jsonLines(tinyPairs(6)))

async function run(...argv: readonly string[]): Promise<void> {
  const { code, told } = await runYohaku(...argv)
  expect(told).toBe("")
  expect(code).toBe(0)
}

async function tokenLogProbs(out: string, ...model: readonly string[]): Promise<number[]> {
  const file = workspace.at(out)
  await run("score", ...model, "--data", data, "--out", file)
  const rows = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  return rows.flatMap(({ chosen, rejected }) => [...chosen.logProbs, ...rejected.logProbs])
}

// F32: what is left is one rounding of each weight against one of each activation. 16 bits: the weights themselves are
// rounded to 2⁻¹² and 2⁻⁹ of their size. Found on this model: 3e-6, 0.005 and 0.028 nats, where the adapter moves 3.8.
test.each([
  ["F32", 1e-5],
  ["F16", 0.02],
  ["BF16", 0.08],
] as const)(
  "a %s base with its adapter scores as the merged model does, each token within %d nats",
  async (dtype, tolerance) => {
    const base = writeTinyModel(workspace, `base-${dtype}`)
    storeAs(base, dtype)
    if (dtype === "BF16") shard(base)
    const adapter = await writeTinyAdapter(workspace, base, `adapter-${dtype}`)
    const merged = workspace.at(`merged-${dtype}`)
    await run("export", "--model", base, "--adapter", adapter, "--format", "merged", "--out", merged)
    const adapted = await tokenLogProbs(`adapted-${dtype}.jsonl`, "--model", base, "--adapter", adapter)
    const alone = await tokenLogProbs(`merged-${dtype}.jsonl`, "--model", merged)
    const plain = await tokenLogProbs(`base-${dtype}.jsonl`, "--model", base)
    const worst = (other: number[]) => Math.max(...adapted.map((value, i) => Math.abs(value - other[i]!)))
    expect(alone).toHaveLength(adapted.length)
    expect(worst(alone)).toBeLessThan(tolerance)
    expect(worst(plain)).toBeGreaterThan(0.2)
  },
)
