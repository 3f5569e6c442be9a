// The power of two that a backward pass is multiplied by: products then have inputs around 1, whatever the responses' lengths and the
// weights of their pairs, which matters where they are rounded to f16. Multiplying by it and dividing by it rounds nothing.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { roundsProducts } from "#gpu-runner/ops/choose-variant.ts"
import type { RowDerivatives } from "./micro-batch.ts"

/** Its inverse is a normal f32 still: a gradient too small for that is 0 to the optimiser anyhow. */
const MOST_EXPONENT = 126

/** Brings the largest derivative by a token's log-prob into [1, 2), unless that takes more than 2¹²⁶. */
export function unitScale(derivatives: readonly RowDerivatives[]): number {
  const largest = derivatives
    .flatMap(({ chosen, rejected }) => [chosen.perToken, rejected.perToken])
    .reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (!Number.isFinite(largest) || largest === 0) return 1
  return 2 ** Math.min(MOST_EXPONENT, -Math.floor(Math.log2(largest)))
}

/** What a step multiplies its gradient in the bank by: `unitScale` where products round their operands, else 1. */
export function gradientScale(context: OpContext, derivatives: readonly RowDerivatives[]): number {
  return roundsProducts(context) ? unitScale(derivatives) : 1
}
