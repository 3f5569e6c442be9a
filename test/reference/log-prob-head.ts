// Reference: log-probabilities of target tokens under hidden · weightᵀ, soft-capped where asked for; entropy, collision, gradients.
import { type Array64, dimensions, zeros64 } from "./array64.ts"
import { matmul, matmulBackward } from "./matmul.ts"

/** hidden · weightᵀ, softCap · tanh(· / softCap) of it with a cap. */
export function headLogits(hidden: Array64, weight: Array64, softCap?: number): Array64 {
  const logits = matmul(hidden, weight, { transposeB: true })
  if (softCap === undefined) return logits
  return { shape: logits.shape, data: logits.data.map((x) => softCap * Math.tanh(x / softCap)) }
}

/** log softmax of each row. */
export function logSoftmaxRows(logits: Array64): Array64 {
  const [rows, columns] = dimensions(logits)
  const result = zeros64(rows, columns)
  for (let r = 0; r < rows; r++) {
    const row = logits.data.subarray(r * columns, (r + 1) * columns)
    const greatest = row.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY)
    const logTotal = Math.log(row.reduce((sum, x) => sum + Math.exp(x - greatest), 0)) + greatest
    row.forEach((x, c) => {
      result.data[r * columns + c] = x - logTotal
    })
  }
  return result
}

/** log softmax(hidden weightᵀ)[r, targets[r]]. */
export function logProbHead(hidden: Array64, weight: Array64, targets: Uint32Array, softCap?: number): Array64 {
  const logProbs = logSoftmaxRows(headLogits(hidden, weight, softCap))
  const [, vocabulary] = dimensions(logProbs)
  const result = zeros64(targets.length)
  targets.forEach((target, r) => {
    result.data[r] = logProbs.data[r * vocabulary + target]!
  })
  return result
}

/** -Σ p log p of each row, nats. */
export function entropy(hidden: Array64, weight: Array64, softCap?: number): Array64 {
  const logProbs = logSoftmaxRows(headLogits(hidden, weight, softCap))
  const [rows, vocabulary] = dimensions(logProbs)
  const result = zeros64(rows)
  logProbs.data.forEach((logProb, i) => {
    result.data[Math.floor(i / vocabulary)]! -= Math.exp(logProb) * logProb
  })
  return result
}

/** log Σ p² of each row, nats. */
export function collision(hidden: Array64, weight: Array64, softCap?: number): Array64 {
  const logProbs = logSoftmaxRows(headLogits(hidden, weight, softCap))
  const [rows, vocabulary] = dimensions(logProbs)
  const sums = new Float64Array(rows)
  logProbs.data.forEach((logProb, i) => {
    sums[Math.floor(i / vocabulary)]! += Math.exp(2 * logProb)
  })
  return { shape: [rows], data: sums.map(Math.log) }
}

/** Gradients of hidden and weight. */
export function logProbHeadBackward(
  hidden: Array64,
  weight: Array64,
  targets: Uint32Array,
  upstream: Array64,
  softCap?: number,
) {
  const logits = headLogits(hidden, weight, softCap)
  const logProbs = logSoftmaxRows(logits)
  const [rows, vocabulary] = dimensions(logProbs)
  const dLogits = zeros64(rows, vocabulary)
  logProbs.data.forEach((logProb, i) => {
    const r = Math.floor(i / vocabulary)
    const isTarget = i % vocabulary === targets[r]
    const slope = softCap ? 1 - (logits.data[i]! / softCap) ** 2 : 1
    dLogits.data[i] = upstream.data[r]! * ((isTarget ? 1 : 0) - Math.exp(logProb)) * slope
  })
  const gradients = matmulBackward(hidden, weight, dLogits, { transposeB: true })
  return { hidden: gradients.a, weight: gradients.b }
}
