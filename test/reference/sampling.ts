// Reference: a narrowed distribution by its definition, over the whole vocabulary sorted: penalty, temperature, top-k, top-p, min-p.

export interface ReferenceSampling {
  readonly temperature: number
  readonly topK?: number | undefined
  readonly topP?: number | undefined
  readonly minP?: number | undefined
  readonly repetitionPenalty?: number | undefined
}

/** The probability of every token, 0 for those that cannot be drawn. For temperatures above 0. */
export function sampledProbabilities(
  logits: ArrayLike<number>,
  { temperature, topK = logits.length, topP = 1, minP = 0, repetitionPenalty = 1 }: ReferenceSampling,
  present: ReadonlySet<number> = new Set(),
): Float64Array {
  const scores = Array.from(logits, (logit, id) => {
    if (!present.has(id)) return logit / temperature
    return (logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty) / temperature
  })
  const order = scores.map((_, id) => id).sort((one, other) => scores[other]! - scores[one]! || one - other)
  const among = (ids: readonly number[]) => {
    const greatest = scores[ids[0]!]!
    const weights = ids.map((id) => Math.exp(scores[id]! - greatest))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return weights.map((weight) => weight / total)
  }
  const likeliest = order.slice(0, topK)
  let sum = 0
  const nucleus = likeliest.filter((_, index) => {
    const isNeeded = sum < topP
    sum += among(likeliest)[index]!
    return isNeeded
  })
  const shares = among(nucleus)
  const kept = nucleus.filter((_, index) => shares[index]! >= minP * shares[0]!)
  const probabilities = new Float64Array(logits.length)
  among(kept).forEach((probability, index) => {
    probabilities[kept[index]!] = probability
  })
  return probabilities
}

/** The value that a chi-squared statistic exceeds once in 10,000 (Wilson and Hilferty's approximation). */
export function chiSquaredLimit(degreesOfFreedom: number): number {
  const spread = 2 / (9 * degreesOfFreedom)
  return degreesOfFreedom * (1 - spread + 3.719 * Math.sqrt(spread)) ** 3
}

/** Pearson's statistic of counts against probabilities; infinite where something impossible was counted. */
export function chiSquared(counts: ArrayLike<number>, probabilities: Float64Array): number {
  const draws = Array.from(counts).reduce((sum, count) => sum + count, 0)
  return probabilities.reduce((sum, probability, id) => {
    if (probability === 0) return counts[id] === 0 ? sum : Number.POSITIVE_INFINITY
    return sum + (counts[id]! - draws * probability) ** 2 / (draws * probability)
  }, 0)
}
