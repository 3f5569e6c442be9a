// Everything there is to measure on a GPU, in under ten minutes: npm run bench:gpu -- [--only PART,…] [--json FILE] [--smoke].
// Each part has a time limit and runs in a process of its own; one that fails says why, and the rest goes on. `--json` names the file for
// all results (.yohaku/bench-gpu.json); `--smoke` takes tiny sizes, on whatever adapter there is, to show that every part works.
import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { ADAPTER_PART, gpuParts, type Part, smokeParts } from "./gpu/parts.ts"
import { pytorchParts } from "./gpu/pytorch-parts.ts"
import { partsOf, scriptOptions } from "./script-options.ts"

const WHOLE_LIMIT_MS = 590_000
const LEAST_PART_MS = 5000

interface Outcome {
  readonly part: string
  readonly seconds: number
  readonly failure?: string
  readonly result?: unknown
}

/** Runs a part within its own limit and what is left of the whole. Prints its lines. */
async function outcomeOf(part: Part, leftMs: number): Promise<Outcome> {
  console.log(`\n── ${part.name}`)
  const startedMs = performance.now()
  const seconds = () => Math.round((performance.now() - startedMs) / 100) / 10
  if (leftMs < LEAST_PART_MS) {
    console.log("not run: the ten minutes are over")
    return { part: part.name, seconds: 0, failure: "the ten minutes are over" }
  }
  try {
    const { text, json } = await part.run(Math.min(part.limitMs, leftMs))
    console.log(text.trimEnd())
    return { part: part.name, seconds: seconds(), result: json }
  } catch (error) {
    // Whatever it was: the other parts have their own numbers to tell.
    const failure = error instanceof Error ? error.message : String(error)
    console.log(`failed: ${failure}`)
    return { part: part.name, seconds: seconds(), failure }
  }
}

const NO_GPU = `
no GPU: Dawn finds a software adapter only, which these sizes would keep busy for hours (--smoke takes tiny ones).
docs/performance.md says what a machine with an NVIDIA card needs: the Vulkan loader and the driver's ICD file.`

/** Whether a part was the adapter's description, and told of a software adapter. */
function tellsOfSoftware({ part, result }: Outcome): boolean {
  return part === ADAPTER_PART && (result as { engine: { lane: string } } | undefined)?.engine.lane === "software"
}

const given = scriptOptions({
  only: { type: "string" },
  json: { type: "string" },
  smoke: { type: "boolean", default: false },
})
const startedMs = performance.now()
const pytorch = pytorchParts(given.smoke)
const isPresent = typeof pytorch !== "string"
if (!isPresent) console.log(`PyTorch is not measured: ${pytorch}`)
const all = (given.smoke ? smokeParts : gpuParts)(isPresent ? pytorch : [])
const wanted = partsOf(
  "only",
  given.only,
  all.map(({ name }) => name),
)
// The adapter's description is always among them: it finds out whether there is a GPU at all.
const isNeeded = (name: string) => name === ADAPTER_PART && !given.smoke
const isWanted = (name: string) => !wanted || wanted.some((text) => name.toLowerCase().includes(text))
const parts = all.filter(({ name }) => isNeeded(name) || isWanted(name))
const outcomes: Outcome[] = []
for (const part of parts) {
  const outcome = await outcomeOf(part, WHOLE_LIMIT_MS - (performance.now() - startedMs))
  outcomes.push(outcome)
  if (!given.smoke && tellsOfSoftware(outcome)) {
    console.log(NO_GPU)
    process.exit(1)
  }
}
const file = path.resolve(given.json ?? ".yohaku/bench-gpu.json")
mkdirSync(path.dirname(file), { recursive: true })
const results = {
  date: new Date().toISOString(),
  isSmoke: given.smoke,
  pytorch: isPresent ? "measured" : pytorch,
  outcomes,
}
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
const failed = outcomes.filter(({ failure }) => failure !== undefined)
const seconds = Math.round((performance.now() - startedMs) / 1000)
console.log(
  `\n${outcomes.length - failed.length} of ${outcomes.length} parts in ${seconds} s; all numbers are in ${file}`,
)
process.exit(failed.length === 0 ? 0 : 1)
