// Times single ops at the shapes of a small Llama, tuned against portable kernels in one run: `node test/bench/ops.ts`.
// Every round runs every op with both choices, so that rows may be compared with each other too: on a shared machine times of
// different minutes differ by more than kernels do. Medians over the rounds; an op's time includes one wait for the device.
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention/attention.ts"
import { attentionLayout, type HostAttentionLayout } from "#gpu-runner/ops/attention/attention-layout.ts"
import { type AttentionLayout, uploadAttentionLayout } from "#gpu-runner/ops/attention/attention-lists.ts"
import { dropout } from "#gpu-runner/ops/elementwise/dropout.ts"
import { add, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { geglu, gegluBackward, swiglu, swigluBackward } from "#gpu-runner/ops/elementwise/gated-activation.ts"
import { divergenceHead } from "#gpu-runner/ops/head/divergence-head.ts"
import { differentiableLogProbHead, logProbHead, logProbHeadBackward } from "#gpu-runner/ops/head/log-prob-head.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import type { MatmulOptions } from "#gpu-runner/ops/matmul/matmul-problem.ts"
import { expand, type StoredWeight, uploadWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { rmsNorm, rmsNormBackward } from "#gpu-runner/ops/rows/rms-norm.ts"
import { createRopeTable, rope } from "#gpu-runner/ops/rows/rope.ts"
import { scaleRows } from "#gpu-runner/ops/rows/rows.ts"
import { adamw } from "#gpu-runner/optimiser/adamw.ts"
import { adamw8bit, createDynamicMaps, createMoments8bit } from "#gpu-runner/optimiser/adamw-8bit.ts"
import { storeMatrix, WEIGHT_KINDS } from "#shared/formats/weights/quantisation.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import { normal64, randomIndices } from "#test/reference/random.ts"

const PAIRS = Array.from({ length: 8 }, () => ({ promptLength: 48, chosenLength: 40, rejectedLength: 40 }))
const CHANNELS = 256
const HEADS = { headCount: 8, keyValueHeadCount: 4 }
const CAPPED = { ...HEADS, softCap: 50 }
const HEAD_SIZE = CHANNELS / HEADS.headCount
const HIDDEN = 768
const VOCABULARY = 3000
const ROUNDS = 7

interface Bench {
  readonly name: string
  /** Floating-point operations, if a rate says something. */
  readonly operations?: number
  readonly run: (context: OpContext) => void
}

const matrices = new Map<string, Tensor>()

type TensorOf = (rows: number, columns: number, name?: string) => Tensor

function tensorSource(context: OpContext): TensorOf {
  return (rows, columns, name = "") => {
    const key = `${rows}x${columns}${name}`
    const known = matrices.get(key)
    if (known) return known
    const values = Float32Array.from(normal64(key, [rows, columns], { scale: 0.1 }).data)
    const created = uploaded(context, values, [rows, columns], key)
    matrices.set(key, created)
    return created
  }
}

function matmulBenches(tensor: TensorOf, T: number): Bench[] {
  const product = (m: number, n: number, k: number, options: MatmulOptions = {}): Bench => ({
    name: `matmul ${m}×${n}×${k}${options.transposeA ? " Aᵀ" : ""}${options.transposeB ? " Bᵀ" : ""}`,
    operations: 2 * m * n * k,
    run: (ctx) => {
      const a = options.transposeA ? tensor(k, m) : tensor(m, k)
      matmul(ctx, a, options.transposeB ? tensor(n, k, "b") : tensor(k, n, "b"), options)
    },
  })
  return [
    product(T, CHANNELS, CHANNELS, { transposeB: true }),
    product(T, HIDDEN, CHANNELS, { transposeB: true }),
    product(T, CHANNELS, HIDDEN),
    product(HIDDEN, CHANNELS, T, { transposeA: true }),
    {
      name: `matmul ${T}×${CHANNELS}×${CHANNELS} Bᵀ + rank 8`,
      run: (ctx) => {
        const lowRank = { left: tensor(T, 8, "left"), right: tensor(CHANNELS, 8, "right") }
        matmul(ctx, tensor(T, CHANNELS), tensor(CHANNELS, CHANNELS, "b"), { transposeB: true, lowRank })
      },
    },
    {
      name: `matmul ${T}×${CHANNELS}×${CHANNELS} Bᵀ, rank 8 apart`,
      run: (ctx) => {
        const out = matmul(ctx, tensor(T, CHANNELS), tensor(CHANNELS, CHANNELS, "b"), { transposeB: true })
        matmul(ctx, tensor(T, 8, "left"), tensor(CHANNELS, 8, "right"), { transposeB: true, out, accumulate: true })
      },
    },
    product(T, 8, CHANNELS, { transposeB: true }),
    product(T, CHANNELS, 8, { transposeB: true }),
    product(8, CHANNELS, T, { transposeA: true }),
  ]
}

/** The layout for the kernels of each context. */
function layoutSource(host: HostAttentionLayout): (context: OpContext) => AttentionLayout {
  const layouts = new Map([tuned, portable].map((context) => [context, uploadAttentionLayout(context, host)] as const))
  return (context) => layouts.get(context)!
}

function layerBenches(context: OpContext, tensor: TensorOf): Bench[] {
  const host = attentionLayout(PAIRS)
  const T = host.tokenCount
  const layout = layoutSource(host)
  const windowed = layoutSource(attentionLayout(PAIRS, { window: 16 }))
  const query = tensor(T, CHANNELS, "q")
  const keyValue = tensor(T, HEADS.keyValueHeadCount * HEAD_SIZE, "k")
  const inputs = { query, key: keyValue, value: keyValue }
  const saved = { ...inputs, ...attention(context, inputs, layout(context), HEADS), dOutput: query }
  const table = createRopeTable(context, { positionCount: 128, headSize: HEAD_SIZE, theta: 10_000 })
  const positions = uploaded(context, host.positions, [T], "positions")
  const gain = uploaded(context, new Float32Array(CHANNELS).fill(1), [CHANNELS], "gain")
  const { inverseRms } = rmsNorm(context, query, gain, { epsilon: 1e-5 })
  const normed = { input: query, weight: gain, inverseRms, dOutput: query }
  const wide = tensor(T, HIDDEN, "wide")
  const rowSeeds = uploaded(context, host.positions, [T], "seeds")
  return [
    { name: "attention forward", run: (ctx) => void attention(ctx, inputs, layout(ctx), HEADS) },
    { name: "attention backward", run: (ctx) => void attentionBackward(ctx, saved, layout(ctx), HEADS) },
    { name: "attention forward, capped", run: (ctx) => void attention(ctx, inputs, layout(ctx), CAPPED) },
    { name: "attention backward, capped", run: (ctx) => void attentionBackward(ctx, saved, layout(ctx), CAPPED) },
    { name: "attention forward, window 16", run: (ctx) => void attention(ctx, inputs, windowed(ctx), HEADS) },
    { name: "attention backward, window 16", run: (ctx) => void attentionBackward(ctx, saved, windowed(ctx), HEADS) },
    { name: "rmsNorm forward", run: (ctx) => void rmsNorm(ctx, query, gain, { epsilon: 1e-5 }) },
    { name: "rmsNorm backward", run: (ctx) => void rmsNormBackward(ctx, normed) },
    { name: "rope", run: (ctx) => void rope(ctx, query, positions, table) },
    { name: "swiglu forward", run: (ctx) => void swiglu(ctx, wide, wide) },
    { name: "swiglu backward", run: (ctx) => void swigluBackward(ctx, wide, wide, wide) },
    { name: "geglu forward", run: (ctx) => void geglu(ctx, wide, wide) },
    { name: "geglu backward", run: (ctx) => void gegluBackward(ctx, wide, wide, wide) },
    { name: "dropout", run: (ctx) => void dropout(ctx, query, { rate: 0.05, seed: 1, rowSeeds }) },
    { name: "add", run: (ctx) => void add(ctx, query, query) },
  ]
}

function headBenches(context: OpContext, tensor: TensorOf): Bench[] {
  const rows = PAIRS.length * 80
  const hidden = tensor(rows, CHANNELS, "h")
  const weight = tensor(VOCABULARY, CHANNELS, "w")
  const targets = uploaded(context, randomIndices("targets", rows, VOCABULARY), [rows], "targets")
  const { logSumExp, logProbs } = logProbHead(context, hidden, weight, targets)
  const saved = { hidden, weight, targets, logSumExp, upstream: logProbs }
  const divergence = { hidden, weight, referenceHidden: tensor(rows, CHANNELS, "r"), referenceWeight: weight }
  return [
    { name: "head forward", run: (ctx) => void logProbHead(ctx, hidden, weight, targets) },
    { name: "head backward, frozen weight", run: (ctx) => void logProbHeadBackward(ctx, saved) },
    { name: "head forward, capped", run: (ctx) => void logProbHead(ctx, hidden, weight, targets, { softCap: 30 }) },
    { name: "divergence head forward", run: (ctx) => void divergenceHead(ctx, divergence) },
    {
      name: "head both ways, logits twice",
      run: (ctx) => {
        const { logSumExp: again } = logProbHead(ctx, hidden, weight, targets)
        logProbHeadBackward(ctx, { ...saved, logSumExp: again })
      },
    },
    {
      name: "head both ways, logits once",
      run: (ctx) => void scaleRows(ctx, differentiableLogProbHead(ctx, hidden, weight, targets).rowGradient, logProbs),
    },
  ]
}

function optimiserBenches(context: OpContext, tensor: TensorOf): Bench[] {
  const state = (name: string) => ({ parameter: tensor(1024, 1024, `${name}.p`), gradient: tensor(1024, 1024, "g") })
  const zeroed = (name: string) => zeros(context, [1024, 1024], name)
  const full = { ...state("full"), firstMoment: zeroed("m"), secondMoment: zeroed("v") }
  const small = state("small")
  const moments = createMoments8bit(context, small.parameter)
  const maps = createDynamicMaps(context)
  const options = { step: 1, learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
  return [
    { name: "adamw, 2^20 parameters", run: (ctx) => adamw(ctx, [full], options) },
    { name: "adamw8bit, 2^20 parameters", run: (ctx) => adamw8bit(ctx, maps, [{ ...small, moments }], options) },
  ]
}

/** A frozen linear layer, y = x Wᵀ and dX = dY W: as it is held, and by way of its expansion in f32. */
function frozenBenches(context: OpContext, tensor: TensorOf, T: number): Bench[] {
  const [outputs, inputs] = [HIDDEN, CHANNELS]
  const values = Float32Array.from(normal64("frozen", [outputs, inputs], { scale: 0.02 }).data)
  const host = tensorOf("frozen", [outputs, inputs], values)
  return WEIGHT_KINDS.flatMap((kind) => {
    const weight = uploadWeight(context, storeMatrix(host, kind), `frozen.${kind}`)
    return [true, false].flatMap((transposeB): Bench[] => {
      const [columns, depth] = transposeB ? [outputs, inputs] : [inputs, outputs]
      const operations = 2 * T * columns * depth
      const name = `matmul ${T}×${columns}×${depth}${transposeB ? " Bᵀ" : ""} in ${kind}`
      const product = (ctx: OpContext, b: Tensor | StoredWeight) => {
        matmul(ctx, tensor(T, depth), b, { transposeB })
      }
      const held = { name, operations, run: (ctx: OpContext) => product(ctx, weight) }
      if (weight.kind === "f32" || weight.kind === "ranges") return [held]
      return [held, { name: `${name}, expanded`, operations, run: (ctx) => product(ctx, expand(ctx, weight)) }]
    })
  })
}

function benches(context: OpContext): Bench[] {
  const tensor = tensorSource(context)
  const T = attentionLayout(PAIRS).tokenCount
  const matmuls = matmulBenches(tensor, T)
  return [
    ...matmuls,
    ...layerBenches(context, tensor),
    ...headBenches(context, tensor),
    ...optimiserBenches(context, tensor),
    ...frozenBenches(context, tensor, T),
  ]
}

async function elapsedMs(context: OpContext, run: (context: OpContext) => void): Promise<number> {
  const scope = context.memory.openScope()
  const start = performance.now()
  run(context)
  await context.recorder.submitCompiled()
  await context.gpu.wait(context.gpu.device.queue.onSubmittedWorkDone())
  scope.close()
  return performance.now() - start
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)]!
}

function column(value: number, digits: number): string {
  return value.toFixed(digits).padStart(7)
}

const gpu = await openDevice()
const tuned = createContext(gpu)
const portable = createContext(gpu, "portable")
console.log(
  `${gpu.info.description}; T ${attentionLayout(PAIRS).tokenCount}, C ${CHANNELS}, V ${VOCABULARY}; medians in ms`,
)
const rows = benches(tuned).map((bench) => ({ ...bench, tuned: [] as number[], portable: [] as number[] }))
// The first round compiles, and is not counted.
for (let round = 0; round <= ROUNDS; round++) {
  for (const row of rows) {
    const fastMs = await elapsedMs(tuned, row.run)
    const slowMs = await elapsedMs(portable, row.run)
    if (round === 0) continue
    row.tuned.push(fastMs)
    row.portable.push(slowMs)
  }
}
for (const row of rows) {
  const ratios = row.tuned.map((fastMs, round) => row.portable[round]! / fastMs)
  const columns = [`tuned ${column(median(row.tuned), 2)}`, `portable ${column(median(row.portable), 2)}`]
  const ratio = `ratio ${column(median(ratios), 1)} (${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)})`
  const rate = row.operations ? `  ${(row.operations / median(row.tuned) / 1e6).toFixed(1)} GFLOP/s` : ""
  console.log([row.name.padEnd(36), ...columns, ratio].join("  ") + rate)
}
gpu.destroy()
