// How long something takes and what it holds, never measured in the same run: to look at memory takes time.
import { setInterval } from "node:timers"
import { setImmediate as immediately } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** What is short is run again until it has taken so long in all, or so often. */
const ENOUGH_SECONDS = 8
const MOST_REPETITIONS = 15
/** The first run of something so short compiles as much as it computes, and does not count. */
const SHORT_SECONDS = 1
const LOOK_MS = 10

interface Timed<A> {
  readonly value: A
  /** By name. */
  readonly seconds: Readonly<Record<string, number>>
}

const totalOf = (seconds: Readonly<Record<string, number>>): number =>
  Object.values(seconds).reduce((sum, one) => sum + one, 0)

/** Median seconds of what `run` times itself, and the value that it came to last. */
export const repeated = async <A>(run: () => Promise<Timed<A>>): Promise<Timed<A>> => {
  let last = await run()
  const runs = totalOf(last.seconds) < SHORT_SECONDS ? [] : [last.seconds]
  for (let spent = totalOf(last.seconds); spent < ENOUGH_SECONDS && runs.length < MOST_REPETITIONS; ) {
    last = await run()
    runs.push(last.seconds)
    spent += totalOf(last.seconds)
  }
  const median = (name: string) => runs.map((seconds) => seconds[name]!).toSorted((a, b) => a - b)[runs.length >> 1]!
  const names = Object.keys(last.seconds)
  return { value: last.value, seconds: Object.fromEntries(names.map((name) => [name, median(name)])) }
}

/** Seconds of `work`, and its value. */
export const timed = async <A>(work: () => Promise<A>): Promise<{ readonly value: A; readonly seconds: number }> => {
  const from = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - from) / 1000 }
}

const heldBytes = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** Looks at what is held: now, or where some time has passed since the last look, for stretches in which no timer fires. */
export interface Looks {
  readonly now: () => void
  readonly sometimes: () => void
}

/** Nobody looks. */
export const NO_LOOKS: Looks = { now: () => {}, sometimes: () => {} }

/** The most that `work` holds in this process above what was held before, heap and buffers, after the collector was asked at every look. */
export const peakHeldBytes = async (work: (looks: Looks) => Promise<void>): Promise<number> => {
  // What was let go before is swept a moment later, and would count as what `work` gives back.
  collect()
  await immediately()
  collect()
  const before = heldBytes()
  let peak = before
  let lookedMs = performance.now()
  const now = () => {
    collect()
    // Buffers are swept beside; the next collection waits for that.
    collect()
    peak = Math.max(peak, heldBytes())
    lookedMs = performance.now()
  }
  const sometimes = () => {
    if (performance.now() - lookedMs >= LOOK_MS) now()
  }
  const timer = setInterval(now, LOOK_MS)
  try {
    await work({ now, sometimes })
  } finally {
    clearInterval(timer)
  }
  return peak - before
}
