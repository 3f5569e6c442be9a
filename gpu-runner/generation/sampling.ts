// The next token from a row of logits, in f64 on the host. Pure but for the random source, from which every drawn token takes one number.
// The order of what narrows a distribution is that of transformers: repetition penalty, temperature, top-k, top-p, min-p.
import type { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { BrokenLogits, InvalidSampling } from "./errors.ts"

export interface SamplingOptions {
  /** 0: the most likely token, of equal ones the lowest id. Else logits are divided by it. */
  readonly temperature: number
  /** Only the k most likely tokens; of equal ones the lower ids. */
  readonly topK?: number | undefined
  /** Only the fewest most likely tokens that have this probability together. */
  readonly topP?: number | undefined
  /** Only tokens with at least this share of the most likely one's probability. */
  readonly minP?: number | undefined
  /** Logits of tokens that are there already are divided by it where positive, multiplied where negative (arXiv 1909.05858). */
  readonly repetitionPenalty?: number | undefined
}

export interface PickedToken {
  readonly id: number
  /** Nats, under the model's own distribution: before penalty, temperature and filters. */
  readonly logProb: number
}

/** Errors: InvalidSampling, which names the option. */
export function checkSampling({ temperature, topK, topP, minP, repetitionPenalty }: SamplingOptions): void {
  const refuse = (option: string, value: number, range: string) => {
    throw new InvalidSampling(`${option} is ${value}; give ${range}`)
  }
  if (!(temperature >= 0 && Number.isFinite(temperature))) refuse("temperature", temperature, "0 or a positive number")
  if (topK !== undefined && !(Number.isSafeInteger(topK) && topK >= 1)) refuse("top-k", topK, "a whole number from 1")
  if (topP !== undefined && !(topP > 0 && topP <= 1)) refuse("top-p", topP, "a number above 0, up to 1")
  if (minP !== undefined && !(minP >= 0 && minP <= 1)) refuse("min-p", minP, "a number from 0 to 1")
  if (repetitionPenalty !== undefined && !(repetitionPenalty > 0 && Number.isFinite(repetitionPenalty))) {
    refuse("repetition-penalty", repetitionPenalty, "a positive number")
  }
}

/** The next token. `present` are the ids that prompt and response hold; `position` is told in errors. Errors: BrokenLogits. */
export function pickToken(
  logits: Float32Array,
  options: SamplingOptions,
  random: SeededRandom,
  { present, position }: { readonly present: ReadonlySet<number>; readonly position: number },
): PickedToken {
  const normaliser = logSumExp(logits)
  if (!Number.isFinite(normaliser)) throw new BrokenLogits(position)
  const { temperature, repetitionPenalty = 1 } = options
  const scores = repetitionPenalty === 1 ? logits : penalised(logits, present, repetitionPenalty)
  const id = temperature === 0 ? mostLikely(scores) : drawn(scores, options, unit53(random))
  return { id, logProb: logits[id]! - normaliser }
}

/** The most likely tokens under the model's own distribution, of equal ones the lower ids first. */
export function likeliestTokens(logits: Float32Array, count: number): readonly PickedToken[] {
  if (count === 0) return []
  const normaliser = logSumExp(logits)
  const ids = likeliestIds(logits, logits, Number.NEGATIVE_INFINITY, count)
  return ids.map((id) => ({ id, logProb: logits[id]! - normaliser }))
}

/** log Σ exp(logits); NaN or infinite where they are no distribution. */
export function logSumExp(logits: ArrayLike<number>): number {
  let greatest = Number.NEGATIVE_INFINITY
  for (let id = 0; id < logits.length; id++) if (logits[id]! > greatest) greatest = logits[id]!
  let total = 0
  for (let id = 0; id < logits.length; id++) total += Math.exp(logits[id]! - greatest)
  return greatest + Math.log(total)
}

function penalised(logits: Float32Array, present: ReadonlySet<number>, penalty: number): Float64Array {
  const scores = Float64Array.from(logits)
  for (const id of present) scores[id]! *= scores[id]! > 0 ? 1 / penalty : penalty
  return scores
}

/** The index of the largest, the first of equal ones. */
export function mostLikely(scores: ArrayLike<number>): number {
  let best = 0
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id
  return best
}

/** Uniform in [0, 1) with 53 bits. */
function unit53(random: SeededRandom): number {
  return (random.bits() * 2 ** 21 + (random.bits() >>> 11)) / 2 ** 53
}

/** The token at `unit` of the narrowed distribution's cumulative probability. */
function drawn(scores: ArrayLike<number>, options: SamplingOptions, unit: number): number {
  const weights = weightsOf(scores, options.temperature)
  const candidates = narrowed(scores, weights, options)
  let total = 0
  if (candidates === undefined) for (const weight of weights) total += weight
  else for (const id of candidates) total += weights[id]!
  let left = unit * total
  const count = candidates?.length ?? weights.length
  let last = 0
  for (let index = 0; index < count; index++) {
    const id = candidates?.[index] ?? index
    if (weights[id]! === 0) continue
    last = id
    left -= weights[id]!
    if (left < 0) return id
  }
  return last
}

/** exp((score − greatest) / temperature): the most likely token has weight 1. */
function weightsOf(scores: ArrayLike<number>, temperature: number): Float64Array {
  const greatest = scores[mostLikely(scores)]!
  return Float64Array.from(scores, (score) => Math.exp((score - greatest) / temperature))
}

/** The ids that may be drawn, the most likely first; undefined for all. */
function narrowed(
  scores: ArrayLike<number>,
  weights: Float64Array,
  { topK, topP, minP = 0 }: SamplingOptions,
): readonly number[] | undefined {
  const isCut = topK !== undefined && topK < weights.length
  if (!isCut && (topP === undefined || topP === 1) && minP === 0) return undefined
  // All tokens below this have less than 1 − topP together, so that the likeliest with topP are among the others.
  const tail = isCut || topP === undefined ? 0 : ((1 - topP) * sum(weights)) / weights.length
  const likeliest = likeliestIds(scores, weights, Math.max(minP, tail), isCut ? topK : weights.length)
  // min-p keeps the same tokens before top-p as after it, but top-p counts what min-p would leave out.
  if (topP === undefined || topP === 1) return likeliest
  const whole = isCut ? sum(likeliestIds(scores, weights, 0, topK).map((id) => weights[id]!)) : sum(weights)
  let kept = 0
  const end = likeliest.findIndex((id) => {
    kept += weights[id]!
    return kept >= topP * whole
  })
  return end < 0 ? likeliest : likeliest.slice(0, end + 1)
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

/** At most `most` ids with at least this weight, the likeliest first, of equal ones the lower id. By scores, since weights may round to one. */
function likeliestIds(
  scores: ArrayLike<number>,
  weights: ArrayLike<number>,
  least: number,
  most: number,
): readonly number[] {
  const isBefore = (one: number, other: number) =>
    scores[one]! > scores[other]! || (scores[one] === scores[other] && one < other)
  const found = most < weights.length ? heapOfFirst(weights, least, most, isBefore) : idsFrom(weights, least)
  return found.sort((one, other) => (isBefore(one, other) ? -1 : 1))
}

function idsFrom(weights: ArrayLike<number>, least: number): number[] {
  const ids: number[] = []
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= least) ids.push(id)
  return ids
}

/** The first `most` by `isBefore`: a heap whose root is the last of those kept, so that a vocabulary is walked once and not sorted. */
function heapOfFirst(
  weights: ArrayLike<number>,
  least: number,
  most: number,
  isBefore: (one: number, other: number) => boolean,
): number[] {
  const heap: number[] = []
  const swap = (one: number, other: number) => {
    const kept = heap[one]!
    heap[one] = heap[other]!
    heap[other] = kept
  }
  const isLater = (one: number, other: number) => isBefore(heap[other]!, heap[one]!)
  for (let id = 0; id < weights.length; id++) {
    if (weights[id]! < least) continue
    if (heap.length < most) {
      heap.push(id)
      for (let at = heap.length - 1; at > 0 && isLater(at, (at - 1) >> 1); at = (at - 1) >> 1) swap(at, (at - 1) >> 1)
    } else if (isBefore(id, heap[0]!)) {
      heap[0] = id
      for (let at = 0; ; ) {
        const children = [2 * at + 1, 2 * at + 2].filter((child) => child < most)
        const latest = children.reduce((kept, child) => (isLater(child, kept) ? child : kept), at)
        if (latest === at) break
        swap(at, latest)
        at = latest
      }
    }
  }
  return heap
}
