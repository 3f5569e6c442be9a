// A small logistic regression over sparse features: the plainest learner there is, to ask what a data set allows to be learned.

/** One example: feature name → value; the label says whether the first candidate was chosen. */
export interface Example {
  readonly features: ReadonlyMap<string, number>
  readonly isFirstChosen: boolean
}

export type Weights = ReadonlyMap<string, number>

/** Full-batch gradient descent with an L2 penalty per example; no intercept, because the candidates' order is random. */
export function fitLogistic(examples: readonly Example[], penalty = 0.01, steps = 300, rate = 0.5): Weights {
  const weights = new Map<string, number>()
  for (let step = 0; step < steps; step++) {
    const gradient = new Map<string, number>()
    for (const { features, isFirstChosen } of examples) {
      const probability = 1 / (1 + Math.exp(-score(weights, features)))
      const error = probability - (isFirstChosen ? 1 : 0)
      for (const [name, value] of features) gradient.set(name, (gradient.get(name) ?? 0) + error * value)
    }
    for (const [name, slope] of gradient) {
      const weight = weights.get(name) ?? 0
      weights.set(name, weight - rate * (slope / examples.length + penalty * weight))
    }
  }
  return weights
}

function score(weights: Weights, features: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const [name, value] of features) sum += (weights.get(name) ?? 0) * value
  return sum
}

/** Share of examples whose label has the sign of the score; a score of 0 counts as wrong. */
export function accuracy(weights: Weights, examples: readonly Example[]): number {
  const right = examples.filter(({ features, isFirstChosen }) =>
    isFirstChosen ? score(weights, features) > 0 : score(weights, features) < 0,
  )
  return right.length / examples.length
}
