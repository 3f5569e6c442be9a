// What generating will take of the device's memory, as one line.
import type { GenerationPlan } from "#gpu-runner/generation/plan.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"

export function describeGenerationPlan({
  batch,
  fixedBytes,
  cacheBytes,
  passBytes,
  budgetBytes,
}: GenerationPlan): string {
  const together = byteSize(fixedBytes + cacheBytes + passBytes)
  const share = budgetBytes === undefined ? "" : ` of ${byteSize(budgetBytes)}`
  const cache = `keys and values ${byteSize(cacheBytes)} for ${batch} at once`
  return `memory: weights ${byteSize(fixedBytes)}; ${cache}; a pass up to ${byteSize(passBytes)}; together ${together}${share}`
}
