// Times single ops at the shapes of a small Llama, tuned against portable kernels in one run: `node test/bench/ops.ts`.
// Interleaved, the median of seven rounds; every op waits for the device, so a dispatch's overhead is included once.
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { attention, attentionBackward } from "#gpu-runner/ops/attention.ts"
import { attentionLayout, uploadAttentionLayout } from "#gpu-runner/ops/attention-layout.ts"
import { add } from "#gpu-runner/ops/elementwise.ts"
import { logProbHead, logProbHeadBackward } from "#gpu-runner/ops/log-prob-head.ts"
import { type MatmulOptions, matmul } from "#gpu-runner/ops/matmul.ts"
import { rmsNorm, rmsNormBackward } from "#gpu-runner/ops/rms-norm.ts"
import { createRopeTable, rope } from "#gpu-runner/ops/rope.ts"
import { swiglu, swigluBackward } from "#gpu-runner/ops/swiglu.ts"
import { normal64, randomIndices } from "#test/reference/random.ts"

const PAIRS = Array.from({ length: 8 }, () => ({ promptLength: 48, chosenLength: 40, rejectedLength: 40 }))
const CHANNELS = 256
const HEADS = { headCount: 8, keyValueHeadCount: 4 }
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

function benches(context: OpContext): Bench[] {
  const tensor = (rows: number, columns: number, name = "") => {
    const key = `${rows}x${columns}${name}`
    const known = matrices.get(key)
    if (known) return known
    const values = Float32Array.from(normal64(key, [rows, columns], { scale: 0.1 }).data)
    const created = uploaded(context, values, [rows, columns], key)
    matrices.set(key, created)
    return created
  }
  const host = attentionLayout(PAIRS)
  const T = host.tokenCount
  const product = (m: number, n: number, k: number, options: MatmulOptions = {}): Bench => ({
    name: `matmul ${m}×${n}×${k}${options.transposeA ? " Aᵀ" : ""}${options.transposeB ? " Bᵀ" : ""}`,
    operations: 2 * m * n * k,
    run: (ctx) => {
      const a = options.transposeA ? tensor(k, m) : tensor(m, k)
      matmul(ctx, a, options.transposeB ? tensor(n, k, "b") : tensor(k, n, "b"), options)
    },
  })
  const layout = uploadAttentionLayout(context, host)
  const query = tensor(T, CHANNELS, "q")
  const keyValue = tensor(T, HEADS.keyValueHeadCount * HEAD_SIZE, "k")
  const inputs = { query, key: keyValue, value: keyValue }
  const saved = { ...inputs, ...attention(context, inputs, layout, HEADS), dOutput: query }
  const table = createRopeTable(context, { positionCount: 128, headSize: HEAD_SIZE, theta: 10_000 })
  const positions = uploaded(context, host.positions, [T], "positions")
  const rows = PAIRS.length * 80
  const hidden = tensor(rows, CHANNELS, "h")
  const weight = tensor(VOCABULARY, CHANNELS, "w")
  const targets = uploaded(context, randomIndices("targets", rows, VOCABULARY), [rows], "targets")
  const head = logProbHead(context, hidden, weight, targets)
  const gain = uploaded(context, new Float32Array(CHANNELS).fill(1), [CHANNELS], "gain")
  const { inverseRms } = rmsNorm(context, query, gain, { epsilon: 1e-5 })
  const wide = tensor(T, HIDDEN, "wide")
  return [
    product(T, CHANNELS, CHANNELS, { transposeB: true }),
    product(T, HIDDEN, CHANNELS, { transposeB: true }),
    product(T, CHANNELS, HIDDEN),
    product(HIDDEN, CHANNELS, T, { transposeA: true }),
    product(T, 8, CHANNELS, { transposeB: true }),
    product(T, CHANNELS, 8, { transposeB: true }),
    product(8, CHANNELS, T, { transposeA: true }),
    { name: "attention forward", run: (ctx) => void attention(ctx, inputs, layout, HEADS) },
    { name: "attention backward", run: (ctx) => void attentionBackward(ctx, saved, layout, HEADS) },
    { name: "rmsNorm forward", run: (ctx) => void rmsNorm(ctx, query, gain, { epsilon: 1e-5 }) },
    {
      name: "rmsNorm backward",
      run: (ctx) => void rmsNormBackward(ctx, { input: query, weight: gain, inverseRms, dOutput: query }),
    },
    { name: "rope", run: (ctx) => void rope(ctx, query, positions, table) },
    { name: "swiglu forward", run: (ctx) => void swiglu(ctx, wide, wide) },
    { name: "swiglu backward", run: (ctx) => void swigluBackward(ctx, wide, wide, wide) },
    { name: "add", run: (ctx) => void add(ctx, query, query) },
    { name: "head forward", run: (ctx) => void logProbHead(ctx, hidden, weight, targets) },
    {
      name: "head backward, frozen weight",
      run: (ctx) =>
        void logProbHeadBackward(ctx, { hidden, weight, targets, logSumExp: head.logSumExp, upstream: head.logProbs }),
    },
  ]
}

async function elapsedMs(context: OpContext, run: (context: OpContext) => void): Promise<number> {
  const scope = context.memory.openScope()
  const start = performance.now()
  run(context)
  context.recorder.submit()
  await context.gpu.wait(context.gpu.device.queue.onSubmittedWorkDone())
  scope.close()
  return performance.now() - start
}

const median = (values: number[]) => values.sort((left, right) => left - right)[Math.floor(values.length / 2)]!

const gpu = await openDevice()
const tuned = createContext(gpu)
const portable = createContext(gpu, "portable")
console.log(
  `${gpu.info.description}; T ${attentionLayout(PAIRS).tokenCount}, C ${CHANNELS}, V ${VOCABULARY}; medians in ms`,
)
for (const { name, operations, run } of benches(tuned)) {
  const times: Record<string, number[]> = { tuned: [], portable: [] }
  for (const [choice, context] of Object.entries({ tuned, portable })) {
    await elapsedMs(context, run)
    times[choice] = []
  }
  for (let round = 0; round < ROUNDS; round++) {
    times.tuned!.push(await elapsedMs(tuned, run))
    times.portable!.push(await elapsedMs(portable, run))
  }
  const [fast, slow] = [median(times.tuned!), median(times.portable!)]
  const rate = operations ? `  ${(operations / fast / 1e6).toFixed(1)} GFLOP/s` : ""
  console.log(`${name.padEnd(34)} tuned ${fast.toFixed(2).padStart(8)}  portable ${slow.toFixed(2).padStart(8)}${rate}`)
}
gpu.destroy()
