// Time and memory of one stage. Memory is what the stage's own code holds, heap and buffers, sampled while it runs; the collector is asked
// at every look, so that what nobody holds any more does not count.
import { setInterval } from "node:timers"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

export interface Stage {
  readonly seconds: number
  /** Above what was held before the stage. */
  readonly peakMib: number
}

const SAMPLE_MS = 1000
const BYTES_PER_MIB = 1024 * 1024

const heldBytes = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** Runs `work`; `onProgress` is to be called in long synchronous stretches, in which no timer fires. */
export const measured = async <A>(
  work: (onProgress: () => void) => Promise<A>,
): Promise<Stage & { readonly value: A }> => {
  collect()
  const before = heldBytes()
  let peak = before
  let lookedMs = performance.now()
  const sample = () => {
    if (performance.now() - lookedMs < SAMPLE_MS) return
    collect()
    lookedMs = performance.now()
    peak = Math.max(peak, heldBytes())
  }
  const timer = setInterval(sample, SAMPLE_MS)
  const startedMs = performance.now()
  try {
    const value = await work(sample)
    const seconds = (performance.now() - startedMs) / 1000
    lookedMs = 0
    sample()
    return { value, seconds, peakMib: (peak - before) / BYTES_PER_MIB }
  } finally {
    clearInterval(timer)
  }
}
