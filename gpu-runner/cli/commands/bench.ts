// `yohaku bench …`: how fast products, attention, the head, whole steps and pairs run on this machine, with what a number depends on.
import { attentionCases } from "#gpu-runner/bench/attention-cases.ts"
import { describeEnvironment } from "#gpu-runner/bench/environment.ts"
import { headCases } from "#gpu-runner/bench/head-cases.ts"
import { layoutConfig } from "#gpu-runner/bench/layouts.ts"
import { matmulCases } from "#gpu-runner/bench/matmul-cases.ts"
import { type OpCase, timeOps } from "#gpu-runner/bench/op-cases.ts"
import { benchPair } from "#gpu-runner/bench/pair-bench.ts"
import type { RoundOptions } from "#gpu-runner/bench/rounds.ts"
import { benchStep } from "#gpu-runner/bench/step-bench.ts"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import {
  type BenchName,
  type BenchValues,
  benchNameOf,
  benchOptions,
  countOf,
  kernelsOf,
  layoutOf,
  lengthsOf,
  productsOf,
  sizesOf,
  weightKindsOf,
} from "../bench-options.ts"
import { environmentLine, opTable, pairTable, stepTable } from "../bench-tables.ts"
import { defineCommand } from "../command.ts"
import { baseWeightsOf } from "../options.ts"
import { createProgress } from "../progress.ts"
import { withDevice } from "../with-device.ts"

/** What a benchmark comes to: the fields of its JSON besides `bench` and `environment`, and the same for people. */
interface Outcome {
  readonly json: { readonly settings: object; readonly results: readonly object[] }
  readonly text: string
}

type Rounds = Omit<RoundOptions, "deviceClock">
type Bench = (context: OpContext, values: BenchValues, rounds: Rounds) => Promise<Outcome>

export const bench = defineCommand({
  name: "bench",
  summary: "Measures this machine: matmul, attention, head, step or pair.",
  details:
    "yohaku bench matmul      products by size, layout and kind of weight\n" +
    "yohaku bench attention   forward and backward over a pack of pairs; FLOPs of visible pairs of tokens\n" +
    "yohaku bench head        log-probs over a vocabulary, without and with their gradient\n" +
    "yohaku bench step        whole training steps: tokens a second, and the share of what their products alone would reach\n" +
    "yohaku bench pair        pairs of α-DPO a second, against unshared prompts, a reference each step and checkpointing\n\n" +
    "Rounds are taken in turn and the first is not counted; medians, with the least and the most. docs/performance.md says what each\n" +
    "number means, and describes the JSON.",
  words: ["what"],
  options: benchOptions,
  run: async (values, terminal) => {
    const name = benchNameOf((values as { readonly what?: string }).what, values)
    const kernels = kernelsOf(values)
    const body = benches[name]
    await withDevice(
      async (gpu) => {
        const context = createContext(gpu, kernels)
        const environment = describeEnvironment(context)
        const progress = createProgress()
        const rounds = countOf(values, "rounds", gpu.lane === "gpu" ? 20 : 5)
        const { json, text } = await body(context, values, {
          rounds,
          onRun: (subject, round) =>
            progress.show(`${round === 0 ? "warm-up" : `round ${round}/${rounds}`}: ${subject}`),
        })
        const settings = { rounds, ...json.settings }
        if (terminal.isJson) terminal.print(JSON.stringify({ bench: name, environment, ...json, settings }))
        else terminal.print(`${environmentLine(environment)}\n\n${text}`)
      },
      { forceFallback: values.software },
    )
  },
})

const benches: Readonly<Record<BenchName, Bench>> = {
  matmul: (context, values, rounds) => {
    const sizes = sizesOf(values, context.gpu.lane)
    const weights = weightKindsOf(values, "f32,bf16")
    const products = productsOf(values)
    const settings = { sizes, weights, products }
    return timedOps(context, settings, rounds, () => matmulCases(context, sizes, weights, products))
  },
  attention: (context, values, rounds) => {
    const isGpu = context.gpu.lane === "gpu"
    const promptLength = countOf(values, "prompt", isGpu ? 256 : 96)
    const response = countOf(values, "response", isGpu ? 256 : 80, 0)
    const pair = { promptLength, chosenLength: response, rejectedLength: response }
    const headCount = countOf(values, "heads", isGpu ? 32 : 4)
    const settings = {
      pairs: countOf(values, "pairs", isGpu ? 16 : 4),
      ...pair,
      headCount,
      keyValueHeadCount: countOf(values, "kv-heads", isGpu && values.heads === undefined ? 8 : headCount),
      headSize: countOf(values, "head-size", 64),
    }
    const rows = Array.from({ length: settings.pairs }, () => pair)
    return timedOps(context, settings, rounds, () => attentionCases(context, { ...settings, rows }))
  },
  head: (context, values, rounds) => {
    const isGpu = context.gpu.lane === "gpu"
    const sizes = {
      rows: countOf(values, "rows", isGpu ? 4096 : 1024),
      channels: countOf(values, "channels", isGpu ? 2048 : 256),
      vocabulary: countOf(values, "vocabulary", isGpu ? 128_256 : 4096),
    }
    const weights = weightKindsOf(values, "bf16")
    return timedOps(context, { ...sizes, weights }, rounds, () => headCases(context, sizes, weights))
  },
  step: async (context, values, rounds) => {
    const { layout, sizes } = layoutOf(values)
    const lengths = lengthsOf(values)
    const trains = values.forward ? "nothing" : values.full ? "weights" : "adapter"
    const rank = values.full ? 0 : countOf(values, "rank", 8)
    const baseWeights = baseWeightsOf(values["base-weights"]) ?? "stored"
    const report = await benchStep(
      context,
      {
        model: layoutConfig(sizes, Math.max(...lengths)),
        pass: { trains, rank },
        baseWeights,
        lengths,
        batchOf: (length) => countOf(values, "batch", Math.max(1, Math.round(1024 / length))),
        profiles: values.profile,
      },
      rounds,
    )
    return { json: { settings: { layout, sizes, trains, rank, baseWeights }, ...report }, text: stepTable(report) }
  },
  pair: async (context, values, rounds) => {
    const { layout, sizes } = layoutOf(values)
    const settings = {
      rank: countOf(values, "rank", 8),
      baseWeights: baseWeightsOf(values["base-weights"]) ?? "stored",
      batch: countOf(values, "batch", 4),
      promptLength: countOf(values, "prompt", 256),
      responseLength: countOf(values, "response", 256),
    } as const
    const model = layoutConfig(sizes, settings.promptLength + settings.responseLength)
    const report = await benchPair(context, { model, ...settings }, rounds)
    return { json: { settings: { layout, sizes, ...settings }, ...report }, text: pairTable(report) }
  },
}

async function timedOps(
  context: OpContext,
  settings: object,
  rounds: Rounds,
  cases: () => readonly OpCase[],
): Promise<Outcome> {
  const scope = context.memory.openScope()
  try {
    const results = await timeOps(context, cases(), rounds)
    return { json: { settings, results }, text: opTable(results) }
  } finally {
    scope.close()
  }
}
