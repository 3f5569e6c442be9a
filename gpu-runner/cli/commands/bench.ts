// `yohaku bench …`: how fast products, attention, the head, whole steps and pairs run on this machine, with what a number depends on.
import { type AttentionSizes, attentionCases } from "#gpu-runner/bench/attention-cases.ts"
import { describeEnvironment } from "#gpu-runner/bench/environment.ts"
import type { Pass } from "#gpu-runner/bench/flops.ts"
import { benchGenerate, type GenerateSettings } from "#gpu-runner/bench/generate-bench.ts"
import { type HeadSizes, headCases } from "#gpu-runner/bench/head-cases.ts"
import { layoutConfig } from "#gpu-runner/bench/layouts.ts"
import { matmulCases, type ProductLayout, type ProductSize } from "#gpu-runner/bench/matmul-cases.ts"
import { type OpCase, timeOps } from "#gpu-runner/bench/op-cases.ts"
import { benchPair, type PairSettings } from "#gpu-runner/bench/pair-bench.ts"
import { benchStep, type StepSettings } from "#gpu-runner/bench/step-bench.ts"
import type { SessionRounds } from "#gpu-runner/bench/training-session.ts"
import { closeContext, createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { TensorTooLarge } from "#gpu-runner/device/errors.ts"
import type { Lane } from "#gpu-runner/device/open-device.ts"
import type { PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import { NotEnoughMemory } from "#gpu-runner/trainer/errors.ts"
import type { WeightKind } from "#shared/formats/weights/quantisation.ts"
import {
  type BenchName,
  type BenchValues,
  batchesOf,
  benchNameOf,
  benchOptions,
  besideLlamaOf,
  checkHeads,
  countOf,
  kernelsOf,
  layoutOf,
  lengthsOf,
  productsOf,
  rankOf,
  sizesOf,
  weightKindsOf,
} from "../bench-options.ts"
import { environmentLine, generateTable, opTable, pairTable, stepTable } from "../bench-tables.ts"
import { defineCommand } from "../command.ts"
import { baseWeightsOf, precisionOf } from "../options.ts"
import { createProgress } from "../progress.ts"
import { withDevice } from "../with-device.ts"

/** What a benchmark comes to: the fields of its JSON besides `bench`, `environment` and `settings`, and the same for people. */
interface Outcome {
  readonly json: { readonly results: readonly object[] }
  readonly text: string
}

/** `settings` are read twice: once before a device is opened, so that a slip is told at once. */
interface Bench<Settings extends object> {
  readonly settings: (values: BenchValues, lane: Lane) => Settings
  readonly measure: (context: OpContext, settings: Settings, rounds: SessionRounds) => Promise<Outcome>
}

export const command = defineCommand({
  name: "bench",
  summary: "Measures this machine: matmul, attention, head, step, pair or generate.",
  details:
    "yohaku bench matmul      products by size, layout and kind of weight\n" +
    "yohaku bench attention   forward and backward over laid-out pairs; FLOPs of visible pairs of tokens\n" +
    "yohaku bench head        log-probs over a vocabulary, without and with their gradient\n" +
    "yohaku bench step        whole training steps: tokens a second, and the share of what their products alone would reach\n" +
    "yohaku bench pair        pairs of α-DPO a second, against unshared prompts, a reference each step and checkpointing\n" +
    "yohaku bench generate    prompt tokens read and tokens said a second, at several responses at once, by itself or beside llama.cpp\n\n" +
    "Rounds are taken in turn and the first is not counted; medians, with the least and the most. docs/performance.md says what each\n" +
    "number means, and describes the JSON.",
  words: ["what"],
  options: benchOptions,
  run: async (values, terminal) => {
    const name = benchNameOf((values as { readonly what?: string }).what, values)
    const { settings: settingsOf, measure } = benches[name] as Bench<object>
    settingsOf(values, "software")
    const kernels = kernelsOf(values)
    const precision = precisionOf(values.precision)
    const roundCount = (lane: Lane) => countOf(values, "rounds", lane === "gpu" ? 20 : 5)
    roundCount("software")
    await withDevice(
      async (gpu) => {
        const context = createContext(gpu, kernels, { precision })
        const environment = describeEnvironment(context)
        const settings = settingsOf(values, gpu.lane)
        const rounds = roundCount(gpu.lane)
        try {
          const { json, text } = await measure(context, settings, { rounds, ...progressOf(rounds) }).catch(
            (error: unknown) => inOwnOptions(error, name, values.full),
          )
          const result = { bench: name, environment, settings: { rounds, ...settings }, ...json }
          terminal.answer(result, () => `${environmentLine(environment)}\n\n${text}`)
        } finally {
          closeContext(context)
        }
      },
      { forceFallback: values.software },
    )
  },
})

/** What does not fit is mended by options of the benchmark, not by the keys of a training configuration. */
function inOwnOptions(error: unknown, name: BenchName, isFull: boolean): never {
  if (error instanceof TensorTooLarge) throw new Error(`${error.finding}; take smaller sizes`, { cause: error })
  if (!(error instanceof NotEnoughMemory)) throw error
  const shorter = name === "pair" ? "lower --prompt or --response" : "lower --length"
  const bits = isFull ? "" : ", or hold the base in fewer bits (--base-weights)"
  throw new Error(`${error.finding}; ${shorter}, take a smaller --layout${bits}`, { cause: error })
}

function progressOf(rounds: number): Pick<SessionRounds, "onRun" | "onUploaded"> {
  const progress = createProgress()
  return {
    onRun: (subject, round) => progress.show(`${round === 0 ? "warm-up" : `round ${round}/${rounds}`}: ${subject}`),
    onUploaded: (done, total) => progress.show(`random weights: ${done} of ${total} tensors`),
  }
}

const matmulBench: Bench<{
  readonly sizes: readonly ProductSize[]
  readonly weights: readonly WeightKind[]
  readonly products: readonly ProductLayout[]
}> = {
  settings: (values, lane) => ({
    sizes: sizesOf(values, lane),
    weights: weightKindsOf(values, "f32,bf16"),
    products: productsOf(values),
  }),
  measure: (context, { sizes, weights, products }, rounds) =>
    timedOps(context, rounds, () => matmulCases(context, sizes, weights, products)),
}

const attentionBench: Bench<PairLengths & { readonly pairs: number } & Omit<AttentionSizes, "rows">> = {
  settings: (values, lane) => {
    const isGpu = lane === "gpu"
    const responseLength = countOf(values, "response", isGpu ? 256 : 80, 0)
    const headCount = countOf(values, "heads", isGpu ? 32 : 4)
    const keyValueHeadCount = countOf(values, "kv-heads", isGpu && values.heads === undefined ? 8 : headCount)
    const headSize = countOf(values, "head-size", 64)
    checkHeads(headCount, keyValueHeadCount, headSize)
    return {
      pairs: countOf(values, "pairs", isGpu ? 16 : 4),
      promptLength: countOf(values, "prompt", isGpu ? 256 : 96),
      chosenLength: responseLength,
      rejectedLength: responseLength,
      headCount,
      keyValueHeadCount,
      headSize,
    }
  },
  measure: (context, settings, rounds) => {
    const { promptLength, chosenLength, rejectedLength } = settings
    const rows = Array.from({ length: settings.pairs }, () => ({ promptLength, chosenLength, rejectedLength }))
    return timedOps(context, rounds, () => attentionCases(context, { ...settings, rows }))
  },
}

const headBench: Bench<HeadSizes & { readonly weights: readonly WeightKind[] }> = {
  settings: (values, lane) => {
    const isGpu = lane === "gpu"
    return {
      rows: countOf(values, "rows", isGpu ? 4096 : 1024),
      channels: countOf(values, "channels", isGpu ? 2048 : 256),
      vocabulary: countOf(values, "vocabulary", isGpu ? 128_256 : 4096),
      weights: weightKindsOf(values, "bf16"),
    }
  },
  measure: (context, { weights, ...sizes }, rounds) =>
    timedOps(context, rounds, () => headCases(context, sizes, weights)),
}

const stepBench: Bench<ReturnType<typeof layoutOf> & Pass & Omit<StepSettings, "model" | "pass">> = {
  settings: (values) => ({
    ...layoutOf(values),
    trains: values.forward ? "nothing" : values.full ? "weights" : "adapter",
    rank: values.full ? 0 : rankOf(values, values.forward ? 0 : 8),
    baseWeights: baseWeightsOf(values["base-weights"]) ?? "stored",
    sequences: lengthsOf(values).map((length) => ({
      length,
      batch: countOf(values, "batch", Math.max(1, Math.round(1024 / length))),
    })),
    profiles: values.profile,
  }),
  measure: async (context, { sizes, trains, rank, ...settings }, rounds) => {
    const longest = Math.max(...settings.sequences.map(({ length }) => length))
    const model = layoutConfig(sizes, longest)
    const report = await benchStep(context, { model, pass: { trains, rank }, ...settings }, rounds)
    return { json: report, text: stepTable(report) }
  },
}

const pairBench: Bench<ReturnType<typeof layoutOf> & Omit<PairSettings, "model">> = {
  settings: (values) => ({
    ...layoutOf(values),
    rank: rankOf(values, 8),
    baseWeights: baseWeightsOf(values["base-weights"]) ?? "stored",
    batch: countOf(values, "batch", 4),
    promptLength: countOf(values, "prompt", 256),
    responseLength: countOf(values, "response", 256),
  }),
  measure: async (context, { sizes, ...settings }, rounds) => {
    const model = layoutConfig(sizes, settings.promptLength + settings.responseLength)
    const report = await benchPair(context, { model, ...settings }, rounds)
    return { json: report, text: pairTable(report) }
  },
}

const generateBench: Bench<ReturnType<typeof layoutOf> & Omit<GenerateSettings, "model">> = {
  settings: (values) => ({
    ...layoutOf(values),
    rank: rankOf(values, 0),
    baseWeights: baseWeightsOf(values["base-weights"]) ?? "stored",
    promptLength: countOf(values, "prompt", 128),
    responseLength: countOf(values, "response", 32, 2),
    batches: batchesOf(values),
    besideLlama: besideLlamaOf(values, layoutOf(values).sizes),
  }),
  measure: async (context, { sizes, ...settings }, rounds) => {
    const model = layoutConfig(sizes, settings.promptLength + settings.responseLength)
    const report = await benchGenerate(context, { model, ...settings }, rounds)
    return { json: report, text: generateTable(report) }
  },
}

const benches = {
  matmul: matmulBench,
  attention: attentionBench,
  head: headBench,
  step: stepBench,
  pair: pairBench,
  generate: generateBench,
}

async function timedOps(context: OpContext, rounds: SessionRounds, cases: () => readonly OpCase[]): Promise<Outcome> {
  const scope = context.memory.openScope()
  try {
    const results = await timeOps(context, cases(), rounds)
    return { json: { results }, text: opTable(results) }
  } finally {
    scope.close()
  }
}
