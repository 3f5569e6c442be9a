// Whether what a system found is right: samples against f64 on this side, a step against a reference system's loss and gradient norm.
import { readFloats } from "../llama-model.ts"
import type { AttentionTask, Found, MatmulTask, Task } from "../tasks.ts"

export interface Verdict {
  readonly isRight: boolean
  /** For the table. */
  readonly says: string
}

/** Relative to the scale of the result: f32 sums of a thousand terms come to about 1e-6. */
const SAMPLE_TOLERANCE = 1e-4
const LOSS_TOLERANCE = 1e-3
const NORM_TOLERANCE = 1e-2

/** f64 values of the sampled entries, and the scale that errors are measured by. */
export interface Expected {
  readonly values: readonly number[]
  readonly scale: number
}

export function expectedMatmul({ inner, columns, files, samples }: MatmulTask): Expected {
  const [a, b] = [readFloats(files.a), readFloats(files.b)]
  const values = samples.map((index) => {
    const [row, column] = [Math.floor(index / columns), index % columns]
    let sum = 0
    for (let k = 0; k < inner; k++) sum += a[row * inner + k]! * b[k * columns + column]!
    return sum
  })
  return { values, scale: largest(values) }
}

export function expectedAttention(task: AttentionTask): Expected {
  const { heads, length, headSize, files, samples } = task
  const [query, key, value] = [readFloats(files.query), readFloats(files.key), readFloats(files.value)]
  const width = heads * headSize
  const values = samples.map((index) => {
    const [row, channel] = [Math.floor(index / width), index % width]
    const head = channel - (channel % headSize)
    const first = row - (row % length)
    const scores = Array.from({ length: row - first + 1 }, (_, position) => {
      let score = 0
      for (let d = 0; d < headSize; d++) {
        score += query[row * width + head + d]! * key[(first + position) * width + head + d]!
      }
      return score / Math.sqrt(headSize)
    })
    const top = largest(scores, (score) => score)
    const weights = scores.map((score) => Math.exp(score - top))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const mixed = weights.reduce(
      (sum, weight, position) => sum + weight * value[(first + position) * width + channel]!,
      0,
    )
    return mixed / total
  })
  return { values, scale: largest(values) }
}

function largest(values: readonly number[], of: (value: number) => number = Math.abs): number {
  return values.reduce((most, value) => Math.max(most, of(value)), Number.NEGATIVE_INFINITY)
}

export function checkSamples(found: Found, { values, scale }: Expected, tolerance = SAMPLE_TOLERANCE): Verdict {
  const samples = found.samples ?? []
  if (samples.length !== values.length) return { isRight: false, says: "WRONG: no result" }
  const error = largest(values.map((value, index) => Math.abs(samples[index]! - value) / scale))
  const isRight = error <= tolerance
  return { isRight, says: `${isRight ? "" : "WRONG: "}${error.toExponential(1)}` }
}

export function checkModel(kind: Task["kind"], found: Found, reference: Found): Verdict {
  const [loss, expected] = [found.loss ?? Number.NaN, reference.loss!]
  if (!(Math.abs(loss - expected) <= LOSS_TOLERANCE)) {
    return { isRight: false, says: `WRONG: loss ${loss.toFixed(3)}, not ${expected.toFixed(3)}` }
  }
  if (kind !== "step") return { isRight: true, says: `${Math.abs(loss - expected).toExponential(1)} nats` }
  const difference = Math.abs(found.gradientNorm! / reference.gradientNorm! - 1)
  if (!(difference <= NORM_TOLERANCE)) {
    const norms = `${found.gradientNorm!.toPrecision(4)}, not ${reference.gradientNorm!.toPrecision(4)}`
    return { isRight: false, says: `WRONG: gradient norm ${norms}` }
  }
  return {
    isRight: true,
    says: `${Math.abs(loss - expected).toExponential(1)} nats, norm ${difference.toExponential(1)}`,
  }
}

/** Each system has weights of its own: all that can be said of the loss is that it is one. */
export function checkPairs({ loss = Number.NaN }: Found): Verdict {
  const isRight = Number.isFinite(loss)
  return { isRight, says: `${isRight ? "" : "WRONG: "}loss ${loss.toFixed(3)}` }
}
