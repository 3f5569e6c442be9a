// Steps differ in length, so the pool collects buffers of sizes that are seldom asked for again.
import type { OpContext } from "#gpu-runner/device/context.ts"

/** A pool below this is never worth trimming. */
const POOL_BYTES = 2 ** 30

/** Gives the pool's free buffers back where it has grown far beyond what was ever in use at once. */
export function boundPool({ memory }: OpContext): void {
  const { reservedBytes, peakUsedBytes } = memory.statistics()
  if (reservedBytes > Math.max(POOL_BYTES, 3 * peakUsedBytes)) memory.trim()
}
