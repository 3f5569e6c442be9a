// Reference: KL(reference ‖ policy) of each row over the vocabulary, from hidden rows and head weights, and its gradients.
import { type Array64, dimensions, zeros64 } from "./array64.ts"
import { headLogits, logSoftmaxRows } from "./log-prob-head.ts"
import { matmulBackward } from "./matmul.ts"

export interface DivergenceInputs64 {
  readonly hidden: Array64
  readonly weight: Array64
  readonly referenceHidden: Array64
  readonly referenceWeight: Array64
}

/** Σ_v q_v (log q_v − log p_v) of each row, nats; q is the reference's softmax, p the policy's. */
export function divergenceHead(inputs: DivergenceInputs64, softCap?: number): Array64 {
  const logP = logSoftmaxRows(headLogits(inputs.hidden, inputs.weight, softCap))
  const logQ = logSoftmaxRows(headLogits(inputs.referenceHidden, inputs.referenceWeight, softCap))
  const [rows, vocabulary] = dimensions(logP)
  const result = zeros64(rows)
  logP.data.forEach((logProb, i) => {
    result.data[Math.floor(i / vocabulary)]! += Math.exp(logQ.data[i]!) * (logQ.data[i]! - logProb)
  })
  return result
}

/** Gradients of the policy's hidden and weight. */
export function divergenceHeadBackward(inputs: DivergenceInputs64, upstream: Array64, softCap?: number) {
  const logits = headLogits(inputs.hidden, inputs.weight, softCap)
  const logP = logSoftmaxRows(logits)
  const logQ = logSoftmaxRows(headLogits(inputs.referenceHidden, inputs.referenceWeight, softCap))
  const [rows, vocabulary] = dimensions(logP)
  const dLogits = zeros64(rows, vocabulary)
  logP.data.forEach((logProb, i) => {
    const slope = softCap ? 1 - (logits.data[i]! / softCap) ** 2 : 1
    const difference = Math.exp(logProb) - Math.exp(logQ.data[i]!)
    dLogits.data[i] = upstream.data[Math.floor(i / vocabulary)]! * difference * slope
  })
  const gradients = matmulBackward(inputs.hidden, inputs.weight, dLogits, { transposeB: true })
  return { hidden: gradients.a, weight: gradients.b }
}
