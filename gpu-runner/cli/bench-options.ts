// What `yohaku bench` is told: which options belong to which benchmark, and their values. Defaults follow the adapter where a size that
// suits a GPU would take minutes on a processor.
import { LAYOUTS, type LayoutName, type LayoutSizes, layoutConfig } from "#gpu-runner/bench/layouts.ts"
import { BYTES } from "#gpu-runner/bench/llama-cpp.ts"
import { PRODUCTS, type ProductLayout, type ProductSize } from "#gpu-runner/bench/matmul-cases.ts"
import type { KernelChoice } from "#gpu-runner/device/context.ts"
import type { Lane } from "#gpu-runner/device/open-device.ts"
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { WEIGHT_KINDS, type WeightKind } from "#shared/formats/weights/quantisation.ts"
import { type OptionSpecs, type OptionValues, UsageError } from "./command.ts"
import { baseWeightsOption, flag, precisionOption, text } from "./options.ts"

export const benchOptions = {
  rounds: text("N", "counted rounds (5; 20 on a GPU)"),
  kernels: text("NAME", "tuned (default), portable, or gpu: what tuned takes on a GPU"),
  precision: precisionOption,
  software: flag("the software adapter, even where a GPU is present"),
  sizes: text("LIST", "matmul: rows x columns x depth, like 1024x1536x576"),
  products: text("LIST", "matmul: nn, nt, tn: which operand is stored transposed (nt)"),
  weights: text("LIST", "matmul, head: kinds of the weight: f32, bf16, f16, int8, nf4"),
  pairs: text("N", "attention: pairs laid out together"),
  prompt: text("TOKENS", "attention, pair, generate: tokens of a prompt"),
  response: text("TOKENS", "attention, pair, generate: tokens of each response"),
  rows: text("N", "head: rows"),
  channels: text("N", "head: hidden size"),
  layout: text("NAME", `step, pair, generate: ${Object.keys(LAYOUTS).join(", ")}; random weights (anchor)`),
  hidden: text("N", "step, pair: hidden size in place of the layout's"),
  layers: text("N", "step, pair: layers, likewise"),
  heads: text("N", "attention, step, pair: query heads"),
  "kv-heads": text("N", "attention, step, pair: key-value heads"),
  "head-size": text("N", "attention, step, pair: channels of a head"),
  ff: text("N", "step, pair: intermediate size"),
  vocabulary: text("N", "head, step, pair: vocabulary"),
  rank: text(
    "N",
    "step, pair, generate: LoRA rank, on all seven linears (8; with --forward and for generate 0, no adapter)",
  ),
  full: flag("step: trains all weights"),
  forward: flag("step: log-probs alone"),
  length: text("LIST", "step: tokens of a sequence (256); several are measured in turn"),
  batch: text("N", "step: sequences (1024 tokens' worth); pair: pairs (4)"),
  batches: text("LIST", "generate: responses at once (1,8,32); several are measured in turn"),
  "base-weights": baseWeightsOption,
  "llama-cpp": flag("generate: llama.cpp on the processor beside it, in turn (npm's node-llama-cpp)"),
  profile: flag("step: where the time goes, by phase and kernel, in more rounds"),
} as const satisfies OptionSpecs

export type BenchValues = OptionValues<typeof benchOptions>
type Name = keyof typeof benchOptions

const LAYOUT: readonly Name[] = [
  "layout",
  "hidden",
  "layers",
  "heads",
  "kv-heads",
  "head-size",
  "ff",
  "vocabulary",
  "rank",
  "base-weights",
]
const MODEL: readonly Name[] = [...LAYOUT, "batch"]

/** The benchmarks, with the options that each reads besides those of all. */
export const BENCHES = {
  matmul: ["sizes", "products", "weights"],
  attention: ["pairs", "prompt", "response", "heads", "kv-heads", "head-size"],
  head: ["rows", "channels", "vocabulary", "weights"],
  step: [...MODEL, "full", "forward", "length", "profile"],
  pair: [...MODEL, "prompt", "response"],
  generate: [...LAYOUT, "prompt", "response", "batches", "llama-cpp"],
} as const satisfies Readonly<Record<string, readonly Name[]>>
export type BenchName = keyof typeof BENCHES

const COMMON: readonly Name[] = ["rounds", "kernels", "precision", "software"]

/** Which benchmark is meant. Errors: UsageError, also for options that it would not read. */
export function benchNameOf(written: string | undefined, values: BenchValues): BenchName {
  const names = Object.keys(BENCHES) as BenchName[]
  const name = names.find((known) => known === written)
  if (!name) throw new UsageError(`say which: ${names.map((known) => `yohaku bench ${known}`).join(", ")}`)
  const read: readonly Name[] = [...COMMON, ...BENCHES[name]]
  for (const option of Object.keys(benchOptions) as Name[]) {
    const isGiven = values[option] !== undefined && values[option] !== false
    if (!isGiven || read.includes(option)) continue
    const owners = names.filter((other) => (BENCHES[other] as readonly Name[]).includes(option))
    throw new UsageError(
      `--${option} belongs to ${owners.join(", ").replace(/, (\w+)$/, " and $1")}, and ${name} would not read it`,
    )
  }
  if (values.full && values.forward) throw new UsageError("--full trains and --forward does not; give one of them")
  if (values.full && values.rank !== undefined) throw new UsageError("--full trains all weights and has no --rank")
  if (values.full && values["base-weights"] !== undefined) {
    throw new UsageError("--full trains all weights in f32 and has no frozen base for --base-weights")
  }
  return name
}

/** A whole number of at least `least`. */
export function countOf(values: BenchValues, option: Name, fallback: number, least = 1): number {
  const written = values[option]
  return typeof written === "string" ? wholeNumber(option, written, least) : fallback
}

const MOST_RANK = 1024

/** 0 for no adapter, where that is allowed. */
export function rankOf(values: BenchValues, fallback: number): number {
  const rank = countOf(values, "rank", fallback, Math.min(fallback, 1))
  if (rank > MOST_RANK) throw new UsageError(`--rank ${rank} is above ${MOST_RANK}, the highest`)
  return rank
}

/** Heads that attention can be computed with. */
export function checkHeads(heads: number, keyValueHeads: number, headSize: number): void {
  if (heads % keyValueHeads !== 0) {
    throw new UsageError(
      `${heads} query heads are no multiple of ${keyValueHeads} key-value heads; change --heads or --kv-heads`,
    )
  }
  if (headSize % 4 !== 0 || headSize > 256) {
    throw new UsageError(
      `a head size of ${headSize} is not supported, only multiples of 4 up to 256; give another --head-size`,
    )
  }
}

function wholeNumber(option: Name, written: string, least: number): number {
  const value = Number(written)
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new UsageError(`--${option} ${written} is no whole number of at least ${least}`)
}

function listOf(values: BenchValues, option: Name, fallback: string): string[] {
  const written = values[option]
  return (typeof written === "string" ? written : fallback).split(",").map((part) => part.trim())
}

/** Entries of a list that must be among `known`. */
function choices<T extends string>(values: BenchValues, option: Name, known: readonly T[], fallback: string): T[] {
  return listOf(values, option, fallback).map((part) => {
    const choice = known.find((candidate) => candidate === part)
    if (choice === undefined) throw new UsageError(`--${option} ${part} is unknown; use ${known.join(", ")}`)
    return choice
  })
}

export function lengthsOf(values: BenchValues): number[] {
  return listOf(values, "length", "256").map((part) => wholeNumber("length", part, 2))
}

export function batchesOf(values: BenchValues): number[] {
  return listOf(values, "batches", "1,8,32").map((part) => wholeNumber("batches", part, 1))
}

/** Whether llama.cpp is to be run beside it. Errors: UsageError for a vocabulary with which llama.cpp would end the process. */
export function besideLlamaOf(values: BenchValues, { vocabulary }: LayoutSizes): boolean {
  if (values["llama-cpp"] && vocabulary <= BYTES) {
    throw new UsageError(`--llama-cpp needs more than ${BYTES} tokens; give a larger --vocabulary than ${vocabulary}`)
  }
  return values["llama-cpp"]
}

export function weightKindsOf(values: BenchValues, fallback: string): WeightKind[] {
  return choices(values, "weights", WEIGHT_KINDS, fallback)
}

export function productsOf(values: BenchValues): ProductLayout[] {
  return choices(values, "products", PRODUCTS, "nt")
}

const KERNELS: readonly KernelChoice[] = ["tuned", "portable", "gpu"]

export function kernelsOf(values: BenchValues): KernelChoice {
  const [choice, ...more] = choices(values, "kernels", KERNELS, "tuned")
  if (more.length > 0) throw new UsageError(`--kernels ${values.kernels} names several; give one`)
  return choice!
}

const DEFAULT_SIZES = { gpu: "1024x1024x1024,4096x4096x4096,4096x14336x4096", host: "512x512x512,1024x1536x576" }

export function sizesOf(values: BenchValues, lane: Lane): ProductSize[] {
  return listOf(values, "sizes", lane === "gpu" ? DEFAULT_SIZES.gpu : DEFAULT_SIZES.host).map((part) => {
    const [rows = 0, columns = 0, depth = 0, ...more] = part.split("x").map(Number)
    const isSize = [rows, columns, depth].every((side) => Number.isSafeInteger(side) && side > 0) && more.length === 0
    if (!isSize) throw new UsageError(`--sizes ${part} is no size; write ROWSxCOLUMNSxDEPTH, like 1024x1536x576`)
    return { rows, columns, depth }
  })
}

/** The layout with the sizes that were given in place of its own. A new head count without a size keeps the width. */
export function layoutOf(values: BenchValues): { readonly layout: LayoutName; readonly sizes: LayoutSizes } {
  const [layout, ...more] = choices(values, "layout", Object.keys(LAYOUTS) as LayoutName[], "anchor")
  if (more.length > 0) throw new UsageError(`--layout ${values.layout} names several; give one`)
  const named: LayoutSizes = LAYOUTS[layout!]
  const hidden = countOf(values, "hidden", named.hidden)
  const heads = countOf(values, "heads", named.heads)
  const isNewHead = values.heads !== undefined || values.hidden !== undefined
  if (isNewHead && values["head-size"] === undefined && hidden % heads !== 0) {
    throw new UsageError(`a hidden size of ${hidden} is no multiple of ${heads} heads; change one, or give --head-size`)
  }
  const sizes: LayoutSizes = {
    hidden,
    layers: countOf(values, "layers", named.layers),
    heads,
    keyValueHeads: countOf(values, "kv-heads", values.heads === undefined ? named.keyValueHeads : heads),
    headSize: countOf(values, "head-size", isNewHead ? hidden / heads : named.headSize),
    intermediate: countOf(values, "ff", named.intermediate),
    vocabulary: countOf(values, "vocabulary", named.vocabulary),
    tied: named.tied,
  }
  checkSizes(sizes)
  checkHeads(sizes.heads, sizes.keyValueHeads, sizes.headSize)
  return { layout: layout!, sizes }
}

function checkSizes(sizes: LayoutSizes): void {
  try {
    layoutConfig(sizes, 1)
  } catch (error) {
    if (!(error instanceof InvalidModel)) throw error
    throw new UsageError(`these sizes make no Llama: ${error.message.replace(/^config\.json: /, "")}`)
  }
}
