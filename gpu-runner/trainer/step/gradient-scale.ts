// The power of two that a backward pass is multiplied by: products then have inputs around 1, whatever the responses' lengths and the
// weights of their pairs, which matters where they are rounded to f16. Multiplying by it and dividing by it rounds nothing.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { roundsProducts } from "#gpu-runner/ops/choose-variant.ts"
import type { RowDerivatives } from "./micro-batch.ts"

/** Brings the largest derivative by a token's log-prob into [1, 2). */
export function unitScale(derivatives: readonly RowDerivatives[]): number {
  const largest = derivatives
    .flatMap(({ chosen, rejected }) => [chosen.perToken, rejected.perToken])
    .reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return Number.isFinite(largest) && largest > 0 ? 2 ** -Math.floor(Math.log2(largest)) : 1
}

/** What a step multiplies its gradient in the bank by: `unitScale` where products round their operands, else 1. */
export function gradientScale(context: OpContext, derivatives: readonly RowDerivatives[]): number {
  return roundsProducts(context) ? unitScale(derivatives) : 1
}
