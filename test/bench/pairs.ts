// How a run's steps grow with the number of pairs: node test/bench/pairs.ts [--pairs 1000,10000,100000] [--epoch | --lists] [--json].
// Snapshot, scoring from what is in KV, the cutting of jobs, pack and manifest run in workerd, and a runner's epoch here: the steps' own code
// on pairs of 200 tokens. With --epoch snapshot, manifest and the epoch are measured alone, over shards of made-up rows, which takes a tenth of the
// time. With --lists pairs are of a few tokens, and of the epoch its plan alone is measured.
// Ends with code 1 where a stage's time grows faster than 1.2 × linearly, an isolate holds 100 MB, or a runner holds more beside its rows' index.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { heavyIsolates, linearly, megabytes, notFlat, secondsText, tooFast } from "./pairs/bounds.ts"
import { measureLists, measureWhole } from "./pairs/edge-stages.ts"
import { timed } from "./pairs/repeated.ts"
import { fetchPack, measureEpoch, type RunnerEpoch } from "./pairs/runner-epoch.ts"
import { openSteps, type Steps } from "./pairs/steps.ts"
import { countOf, scriptOptions } from "./script-options.ts"

const given = scriptOptions({
  pairs: { type: "string", default: "1000,10000" },
  epoch: { type: "boolean", default: false },
  lists: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
})
const sizes = given.pairs.split(",").map((size) => countOf("pairs", size))

/** 200 tokens a pair, half of them the prompt's; or as few as tell pairs apart. */
const LENGTH = given.lists ? { prompt: 4, response: 3 } : { prompt: 100, response: 50 }

const isWhole = !given.epoch && !given.lists

interface SizeResult {
  readonly pairs: number
  readonly shards: number
  readonly seconds: Readonly<Record<string, number>>
  /** Of the isolate, by stage. */
  readonly peakBytes: Readonly<Record<string, number>>
  readonly runner: Omit<RunnerEpoch, "seconds">
  readonly besideBytes: number
}

const measureSize = async (steps: Steps, pairs: number, directory: string): Promise<SizeResult> => {
  const dataset = { id: `pairs-${pairs}`, pairs, length: LENGTH }
  const filled = await timed(() => steps.fill(dataset.id, pairs, LENGTH, isWhole))
  console.error(`${pairs} pairs stored in ${filled.seconds.toFixed(0)} s`)
  const edge = await (isWhole ? measureWhole : measureLists)(steps, dataset)
  const folder = path.join(directory, dataset.id)
  const manifest = await fetchPack(steps, edge.digest, folder)
  const runner = await measureEpoch(manifest, steps.base, !given.lists)
  if (runner.rows !== pairs) throw new Error(`the runner found ${runner.rows} of ${pairs} pairs`)
  rmSync(folder, { recursive: true })
  const { seconds, ...held } = runner
  const stages = Object.entries(edge.stages)
  return {
    ...{ pairs, shards: edge.shards },
    seconds: { ...Object.fromEntries(stages.map(([name, stage]) => [name, stage.seconds])), ...seconds },
    peakBytes: Object.fromEntries(stages.map(([name, stage]) => [name, stage.peakBytes])),
    ...{ runner: held, besideBytes: held.peakBytes - held.rowBytes },
  }
}

const lineOf = (result: SizeResult, before: SizeResult | undefined): string => {
  const { pairs, shards, seconds, peakBytes, runner, besideBytes } = result
  const stages = Object.entries(seconds).map(([name, taken]) => {
    const growth = before === undefined ? "" : `, ${linearly(name, result, before).toFixed(2)} × linear`
    const held = peakBytes[name] === undefined ? "" : `, ${megabytes(peakBytes[name])}`
    return `  ${name} ${secondsText(taken)}${growth}${held}`
  })
  const held = [megabytes(runner.peakBytes), megabytes(runner.rowBytes), megabytes(besideBytes)]
  const runnerLine = `  the runner holds ${held[0]}, of it ${held[1]} by rows and ${held[2]} beside`
  return [`${pairs} pairs, ${shards} shards`, ...stages, runnerLine].join("\n")
}

/** Sizes are given in rising order. */
const brokenBounds = (results: readonly SizeResult[]): string[] =>
  results.flatMap((result, index) => {
    const before = results[index - 1]
    const grown = before === undefined ? [] : [...tooFast(result, before), ...notFlat(result, before)]
    return [...heavyIsolates(result.pairs, result.peakBytes), ...grown]
  })

const directory = mkdtempSync(path.join(tmpdir(), "yohaku-pairs-"))
const steps = await openSteps()
try {
  const results: SizeResult[] = []
  for (const pairs of sizes) {
    results.push(await measureSize(steps, pairs, directory))
    if (!given.json) console.log(lineOf(results.at(-1)!, results.at(-2)))
  }
  const broken = brokenBounds(results)
  if (given.json) console.log(JSON.stringify({ results, broken }))
  else for (const bound of broken) console.log(`broken: ${bound}`)
  if (broken.length > 0) process.exitCode = 1
} finally {
  await steps.isolate.close()
  rmSync(directory, { recursive: true, force: true })
}
