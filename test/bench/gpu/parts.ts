// The parts of the GPU benchmark, the most telling first: what each runs, for how long at most, and how its result reads.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { PartFailed, runScript } from "./run-command.ts"

export interface Part {
  readonly name: string
  readonly limitMs: number
  readonly run: (limitMs: number) => Promise<PartResult>
}

export interface PartResult {
  /** Lines for people. */
  readonly text: string
  readonly json: unknown
}

const root = path.resolve(import.meta.dirname, "../../..")
const at = (file: string) => path.join(root, file)

type Words = readonly string[]

/** `yohaku bench …`, by its JSON; its result's numbers as lines. */
function bench(
  name: string,
  limitSeconds: number,
  words: Words,
  lines: (result: BenchJson) => readonly string[],
): Part {
  return {
    name,
    limitMs: 1000 * limitSeconds,
    run: async (limitMs) => {
      const output = await runScript(at("gpu-runner/cli/yohaku.mjs"), ["bench", ...words, "--json"], limitMs)
      const json = JSON.parse(output) as BenchJson
      return { text: lines(json).join("\n"), json }
    },
  }
}

interface Spread {
  readonly median: number
}

/** The part of the JSON of `yohaku bench` that is read here. */
interface BenchJson {
  readonly results: readonly {
    readonly name: string
    readonly ms: Spread
    readonly gflopsPerSecond: number
    readonly kernels?: readonly string[]
    readonly tokens: number
    readonly tokensPerSecond: number
    readonly pairsPerSecond: number
    readonly flopsPerSecond: number
    readonly shareOfGemmBound: number
  }[]
  readonly memory: { readonly peakBytes: number; readonly reservedBytes: number }
  readonly ratio: Spread
}

const opLines = ({ results }: BenchJson) =>
  results.map(({ name, gflopsPerSecond, ms, kernels = [] }) => {
    const rate = `${(gflopsPerSecond / 1000).toFixed(2)} TFLOP/s`
    return `${name.padEnd(36)} ${rate.padStart(16)} ${ms.median.toFixed(3).padStart(10)} ms  ${kernels.join(", ")}`
  })

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
const memoryLine = ({ memory }: BenchJson) =>
  `memory: ${gib(memory.peakBytes)} in tensors at the peak, ${gib(memory.reservedBytes)} in buffers`

const stepLines = (json: BenchJson) => [
  ...json.results.map(({ tokens, tokensPerSecond, flopsPerSecond, shareOfGemmBound, ms }) => {
    const share = `${(100 * shareOfGemmBound).toFixed(0)} % of its products' bound`
    return `${tokens} tokens a step, ${ms.median.toFixed(1)} ms: ${tokensPerSecond.toFixed(0)} tokens/s, ${tera(flopsPerSecond)}, ${share}`
  }),
  memoryLine(json),
]

const pairLines = (json: BenchJson) => [
  ...json.results.map(({ name, pairsPerSecond, flopsPerSecond, ms }) => {
    return `${name.padEnd(6)} ${pairsPerSecond.toFixed(2)} pairs/s, ${tera(flopsPerSecond)}, ${ms.median.toFixed(1)} ms a step`
  }),
  `the usual way takes ${json.ratio.median.toFixed(2)} times as long`,
  memoryLine(json),
]

const tera = (flopsPerSecond: number) => `${(flopsPerSecond / 1e12).toFixed(2)} TFLOP/s`

export const ADAPTER_PART = "adapter"

const description: Part = {
  name: ADAPTER_PART,
  limitMs: 20_000,
  run: async (limitMs) => {
    const json = JSON.parse(await runScript(at("test/bench/gpu/describe-adapter.ts"), [], limitMs))
    const { plain, withToggles, toggles, engine } = json
    const lines = [
      plain.adapter,
      `features: ${plain.features.join(", ")}`,
      `with ${toggles} also: ${withToggles.features.filter((name: string) => !plain.features.includes(name)).join(", ") || "none"}`,
      `subgroup sizes ${withToggles.subgroupSizes.join(" to ")}; subgroup matrices: ${withToggles.subgroupMatrices.join("; ") || "none"}`,
      `one binding ${gib(plain.limits.maxStorageBufferBindingSize)}, one buffer ${gib(plain.limits.maxBufferSize)}, workgroup memory ${plain.limits.maxComputeWorkgroupStorageSize} bytes`,
      `the engine's device: lane ${engine.lane}, ${engine.features.join(", ")}`,
    ]
    return { text: lines.join("\n"), json }
  },
}

const TESTED = ["matmul", "attention", "log-prob-head", "optimiser", "dispatch-timer"]
/** Products on the card's own subgroup matrices, and whole models made of them. */
const TESTED_ON_MATRICES = ["matmul-gpu", "matrix-tilings", "models/rounded-products"]

/** The part of vitest's report that is read here. */
interface TestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

/** Which tests failed, and the first line of why: the card may be gone before anybody can ask. */
function failuresOf({ testResults }: TestReport): string[] {
  return testResults.flatMap(({ assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === "failed")
      .map(
        ({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split("\n")[0] ?? "no reason given"}`,
      ),
  )
}

/** The kernels' own tests against f64: those of the software lane too run on the card, where there is one. */
function correctness(name: string, limitSeconds: number, tested: Words): Part {
  return {
    name,
    limitMs: 1000 * limitSeconds,
    run: async (limitMs) => {
      const folder = mkdtempSync(path.join(os.tmpdir(), "yohaku-gpu-"))
      const report = path.join(folder, "report.json")
      const files = tested.map((file) => `test/gpu/${file}.test.ts`)
      const words = [
        "run",
        "--root",
        root,
        "--project",
        "gpu",
        "--reporter=json",
        `--outputFile.json=${report}`,
        ...files,
      ]
      // A failed test ends it with code 1; the report says which.
      const ending = await runScript(at("node_modules/vitest/vitest.mjs"), words, limitMs, {
        YOHAKU_SOFTWARE_LANE_ON_GPU: "1",
      }).catch((error: Error) => error)
      if (!existsSync(report)) throw ending instanceof Error ? ending : new PartFailed("vitest wrote no report")
      const json = JSON.parse(readFileSync(report, "utf8")) as TestReport
      rmSync(folder, { recursive: true })
      const { numPassedTests, numFailedTests, numPendingTests } = json
      const says = `${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`
      if (numFailedTests) throw new PartFailed([says, ...failuresOf(json)].join("\n"))
      return {
        text: `${tested.join(", ")}: ${says}`,
        json: { tested, numPassedTests, numFailedTests, numPendingTests },
      }
    },
  }
}

function dispatches(count: number): Part {
  return {
    name: "dispatch",
    limitMs: 20_000,
    run: async (limitMs) => {
      const json = JSON.parse(await runScript(at("test/bench/gpu/dispatch-cost.ts"), [`${count}`], limitMs))
      const named = (name: string, label: string) =>
        json[name] ? `${label} ${(json[name] as Spread).median.toFixed(2)} µs` : `${label}: no timestamps`
      const parts = [
        named("encodeMicroseconds", "recorded and submitted in"),
        named("busyMicroseconds", "runs"),
        named("gapMicroseconds", "then idle for"),
        named("wallMicroseconds", "altogether"),
      ]
      return { text: `of ${count} dependent dispatches one is ${parts.join(", ")}`, json }
    },
  }
}

const KINDS = "f32,f16,bf16,int8,nf4"
const PAIR_OF_768 = ["--prompt", "256", "--response", "256"]
const EIGHT_BILLION = ["step", "--layout", "llama-3-8b", "--rank", "16", "--length", "768", "--batch", "1"]

/** What a real GPU is measured by; `pytorch` goes between, beside the products and the pairs that it is compared with. */
export function gpuParts(pytorch: readonly Part[]): readonly Part[] {
  const [products, pairs] = pytorch
  return [
    description,
    correctness("correctness", 110, TESTED),
    correctness("correctness on subgroup matrices", 100, TESTED_ON_MATRICES),
    bench(
      "matmul",
      60,
      ["matmul", "--sizes", "1024x1024x1024,4096x4096x4096,1024x1536x576", "--weights", KINDS, "--rounds", "10"],
      opLines,
    ),
    ...(products ? [products] : []),
    dispatches(1000),
    bench("attention", 25, ["attention", "--rounds", "10"], opLines),
    bench("head", 25, ["head", "--rounds", "5"], opLines),
    bench(
      "1B pairs",
      60,
      ["pair", "--layout", "llama-3.2-1b", "--batch", "16", ...PAIR_OF_768, "--rank", "16", "--rounds", "3"],
      pairLines,
    ),
    ...(pairs ? [pairs] : []),
    bench("8B in bf16", 80, [...EIGHT_BILLION, "--rounds", "2"], stepLines),
    bench("8B in nf4", 150, [...EIGHT_BILLION, "--base-weights", "nf4", "--rounds", "2"], stepLines),
  ]
}

const TINY = [
  "--hidden",
  "64",
  "--layers",
  "2",
  "--heads",
  "2",
  "--kv-heads",
  "1",
  "--head-size",
  "32",
  "--ff",
  "96",
  "--vocabulary",
  "128",
]
const TINY_STEP = ["step", ...TINY, "--rank", "4", "--length", "24", "--batch", "1", "--rounds", "1"]

/** The same parts at sizes that a processor bears: that they work, not how fast. */
export function smokeParts(pytorch: readonly Part[]): readonly Part[] {
  const [products, pairs] = pytorch
  return [
    description,
    correctness("correctness", 110, ["optimiser"]),
    correctness("correctness on subgroup matrices", 60, ["models/rounded-products"]),
    bench("matmul", 60, ["matmul", "--sizes", "64x32x48", "--weights", KINDS, "--rounds", "1"], opLines),
    ...(products ? [products] : []),
    dispatches(50),
    bench(
      "attention",
      60,
      [
        "attention",
        "--pairs",
        "1",
        "--prompt",
        "8",
        "--response",
        "8",
        "--heads",
        "2",
        "--head-size",
        "16",
        "--rounds",
        "1",
      ],
      opLines,
    ),
    bench("head", 60, ["head", "--rows", "16", "--channels", "32", "--vocabulary", "64", "--rounds", "1"], opLines),
    bench(
      "pairs",
      90,
      ["pair", ...TINY, "--rank", "4", "--batch", "2", "--prompt", "8", "--response", "8", "--rounds", "1"],
      pairLines,
    ),
    ...(pairs ? [pairs] : []),
    bench("step in bf16", 90, TINY_STEP, stepLines),
    bench("step in nf4", 90, [...TINY_STEP, "--base-weights", "nf4"], stepLines),
  ]
}
