// Which kernel suits which class of products on this adapter, measured: every candidate in turn, several rounds, the least median wins.
// Choices are kept by the caller and given back to openDevice; nothing is ever measured during training, whose bits depend on them.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { DispatchTimer } from "#gpu-runner/device/dispatch-timer.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { type CodedKind, type HostMatrix, storeMatrix } from "#shared/formats/weights/quantisation.ts"
import { candidatesOf, dispatchCandidate, formOf, type MatmulCandidate, problemClass } from "./matmul-gpu.ts"
import type { MatmulProblem } from "./matmul-problem.ts"
import { operandOf, releaseWeight, uploadWeight, type WholeWeight } from "./quantised-weight.ts"

/** A product to measure, as training has them. */
export interface TuningShape {
  readonly rows: number
  readonly columns: number
  readonly depth: number
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly right: "f32" | CodedKind
  /** Of a low-rank product inside; 0 for none. */
  readonly rank: number
}

export interface MeasuredClass {
  /** problemClass of matmul-gpu.ts */
  readonly problemClass: string
  readonly winner: string
  /** Median milliseconds of each candidate, by name. */
  readonly milliseconds: Readonly<Record<string, number>>
}

const ROUNDS = 7

/**
 * The products of a linear layer [width → width] of `tokens` rows with a weight of the given kind and LoRA of rank 16: forward, backward,
 * and the adapter's gradients; and a trained weight's gradient.
 */
export function linearLayerShapes(tokens: number, width: number, kind: CodedKind): TuningShape[] {
  const rank = 16
  const square = { rows: tokens, columns: width, depth: width, transposeA: false }
  return [
    { ...square, transposeB: true, right: kind, rank },
    { ...square, transposeB: false, right: kind, rank },
    { ...square, columns: rank, transposeB: true, right: "f32", rank: 0 },
    { rows: rank, columns: width, depth: tokens, transposeA: true, transposeB: false, right: "f32", rank: 0 },
    { rows: width, columns: width, depth: tokens, transposeA: true, transposeB: false, right: "f32", rank: 0 },
  ]
}

/** Measures each shape; the first round, in which kernels are compiled, does not count. Errors: the device's. */
export async function measureProducts(context: OpContext, shapes: readonly TuningShape[]): Promise<MeasuredClass[]> {
  const measured: MeasuredClass[] = []
  for (const shape of shapes) {
    const scope = context.memory.openScope()
    // Shapes of linear layers are well below a range of a matrix.
    const weight = uploadWeight(context, weightOf(shape), "tuning.right") as WholeWeight
    try {
      measured.push(await measure(context, problemOf(context, shape, operandOf(weight))))
    } finally {
      releaseWeight(context, weight)
      scope.close()
    }
  }
  return measured
}

async function measure(context: OpContext, problem: MatmulProblem): Promise<MeasuredClass> {
  const form = formOf(problem)!
  const candidates = candidatesOf(context, problem)
  const samples = new Map<string, number[]>(candidates.map(({ name }) => [name, []]))
  for (let round = 0; round <= ROUNDS; round++) {
    for (const candidate of candidates) {
      const milliseconds = await timed(context, () => dispatchCandidate(context, problem, form, candidate))
      if (round > 0) samples.get(candidate.name)!.push(milliseconds)
    }
  }
  const medians = candidates.map(({ name }) => [name, median(samples.get(name)!)] as const)
  const [winner] = medians.reduce((best, next) => (next[1] < best[1] ? next : best))
  return { problemClass: problemClass(problem, form), winner, milliseconds: Object.fromEntries(medians) }
}

async function timed(context: OpContext, record: () => void): Promise<number> {
  const timer = new DispatchTimer(context.gpu)
  try {
    context.recorder.timeDispatches(timer)
    record()
    context.recorder.submit()
    const dispatches = await timer.read()
    return dispatches.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0)
  } finally {
    context.recorder.timeDispatches(undefined)
    timer.destroy()
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1]!
}

// The values do not matter, but they must not be zeros: some GPUs multiply these with less power, and faster.
function wave(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => ((i * 37) % 63) / 64 - 0.5)
}

function weightOf({ columns, depth, transposeB, right }: TuningShape): HostMatrix {
  const shape = transposeB ? [columns, depth] : [depth, columns]
  const data = new Uint8Array(wave(columns * depth).buffer)
  return storeMatrix({ name: "tuning.right", dtype: "F32", shape, data }, right)
}

function problemOf(context: OpContext, shape: TuningShape, b: MatmulProblem["b"]): MatmulProblem {
  const { rows, columns, depth, transposeA, transposeB, rank } = shape
  const tensor = (sizes: readonly [number, number], label: string) =>
    uploaded(context, wave(sizes[0] * sizes[1]), sizes, label)
  return {
    a: tensor(transposeA ? [depth, rows] : [rows, depth], "tuning.left"),
    b,
    out: context.memory.allocate([rows, columns], "f32", "tuning.output"),
    rows,
    columns,
    depth,
    transposeA,
    transposeB,
    accumulate: false,
    scale: 1,
    precision: context.precision,
    lowRank:
      rank === 0
        ? undefined
        : {
            left: tensor([rows, rank], "tuning.lowLeft"),
            right: tensor(transposeB ? [columns, rank] : [rank, columns], "tuning.lowRight"),
          },
  }
}

/** What openDevice is given back: each class's winner by name. */
export function choicesOf(measured: readonly MeasuredClass[]): Record<string, MatmulCandidate["name"]> {
  return Object.fromEntries(measured.map(({ problemClass: name, winner }) => [name, winner]))
}
