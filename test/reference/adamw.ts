// Reference: AdamW, one tensor, written from the paper's algorithm 2 (arXiv 1711.05101) with torch's learning-rate convention.
import type { Array64 } from "./array64.ts"

export interface AdamwState {
  readonly parameter: Array64
  readonly firstMoment: Array64
  readonly secondMoment: Array64
}

export interface AdamwSettings {
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
}

/** Performs step number `step` (from 1) in place. */
export function adamwStep(state: AdamwState, gradient: Array64, step: number, settings: AdamwSettings): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = settings
  gradient.data.forEach((g, i) => {
    const m = beta1 * state.firstMoment.data[i]! + (1 - beta1) * g
    const v = beta2 * state.secondMoment.data[i]! + (1 - beta2) * g * g
    state.firstMoment.data[i] = m
    state.secondMoment.data[i] = v
    const correctedMean = m / (1 - beta1 ** step)
    const correctedSquare = v / (1 - beta2 ** step)
    const decayed = state.parameter.data[i]! * (1 - learningRate * weightDecay)
    state.parameter.data[i] = decayed - (learningRate * correctedMean) / (Math.sqrt(correctedSquare) + epsilon)
  })
}
