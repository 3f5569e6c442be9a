// The benches of many pairs work, from their options to their figures: at sizes that say nothing about how fast. A minute, so only in the full run.
import { spawnSync } from "node:child_process"
import path from "node:path"
import { expect, test } from "vitest"
import { root } from "#test/bench/load/running-system.ts"
import { isFullRun } from "#test/full-run.ts"

interface Result {
  readonly pairs: number
  readonly shards?: number
  readonly seconds: Readonly<Record<string, number>>
  readonly peakBytes: Readonly<Record<string, number>>
}

/** What a bench prints. How times grow is noise at such sizes, so that it may end with 1. */
const printedBy = (script: string, argv: readonly string[]): readonly Result[] => {
  const child = spawnSync(process.execPath, [path.join(root, "test/bench", script), ...argv, "--json"], {
    encoding: "utf8",
  })
  if (child.stdout === "") throw new Error(`${script} printed nothing: ${child.stderr}`)
  const { results, broken } = JSON.parse(child.stdout) as { results: readonly Result[]; broken: readonly string[] }
  expect(broken.filter((bound) => !bound.endsWith("× linear"))).toEqual([])
  return results
}

const heldIn = ({ peakBytes }: Result, names: readonly string[]): void => {
  expect(Object.keys(peakBytes).toSorted()).toEqual(names.toSorted())
  for (const bytes of Object.values(peakBytes)) {
    expect(bytes).toBeGreaterThan(2_000_000)
    expect(bytes).toBeLessThan(60_000_000)
  }
}

test.runIf(isFullRun)("pairs.ts measures every step of a run in workerd, and a runner's epoch", () => {
  const results = printedBy("pairs.ts", ["--pairs", "60,1100"])
  expect(results.map(({ pairs, shards }) => [pairs, shards])).toEqual([
    [60, 1],
    [1100, 2],
  ])
  const steps = ["snapshot", "score", "cut", "pack", "manifest"]
  for (const result of results) {
    heldIn(result, steps)
    expect(Object.keys(result.seconds)).toEqual([...steps, "plan", "epoch"])
  }
})

test.runIf(isFullRun)("pairs.ts --lists measures snapshot, manifest and plan alone", () => {
  const results = printedBy("pairs.ts", ["--lists", "--pairs", "1100,5000"])
  expect(results.map(({ pairs, shards }) => [pairs, shards])).toEqual([
    [1100, 2],
    [5000, 5],
  ])
  for (const result of results) heldIn(result, ["snapshot", "manifest"])
})

test.runIf(isFullRun)(
  "many-pairs.ts measures ingest and a run up to its runner, and finds every worker's isolate",
  () => {
    const [result] = printedBy("many-pairs.ts", ["--pairs", "60"])
    expect(result!.pairs).toBe(60)
    heldIn(result!, ["yohaku", "yohaku-scorer", "yohaku-orchestrator"])
  },
)
