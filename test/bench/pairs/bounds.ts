// The bounds that the benches of many pairs hold sizes to, each against the size before, and how figures are written.

const MOST_GROWTH = 1.2
const MOST_ISOLATE_BYTES = 100_000_000
/** From this size on a runner holds no more beside what its rows are known by. */
const FLAT_FROM_PAIRS = 10_000
/** Of the lists of shards, which name a thousand pairs each, and of how exactly memory can be told. */
const FLAT_WITHIN_BYTES = 2_000_000

export interface TimedSize {
  readonly pairs: number
  /** By stage. */
  readonly seconds: Readonly<Record<string, number>>
}

export const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`

export const secondsText = (seconds: number): string => `${seconds < 1 ? seconds.toFixed(4) : seconds.toFixed(2)} s`

/** A stage's time by that of the size before and by how many times as many pairs there are: 1 is linear. */
export const linearly = (stage: string, now: TimedSize, before: TimedSize): number =>
  now.seconds[stage]! / before.seconds[stage]! / (now.pairs / before.pairs)

/** Stages whose time grows faster than may be. */
export const tooFast = (now: TimedSize, before: TimedSize): string[] =>
  Object.keys(now.seconds).flatMap((stage) => {
    const growth = linearly(stage, now, before)
    return growth <= MOST_GROWTH ? [] : [`${stage} of ${now.pairs} pairs takes ${growth.toFixed(2)} × linear`]
  })

/** Isolates that held more than may be, by what they did. */
export const heavyIsolates = (pairs: number, peakBytes: Readonly<Record<string, number>>): string[] =>
  Object.entries(peakBytes).flatMap(([name, bytes]) =>
    bytes < MOST_ISOLATE_BYTES ? [] : [`${name} of ${pairs} pairs holds ${megabytes(bytes)} in an isolate`],
  )

export interface HeldSize {
  readonly pairs: number
  /** Beside what rows are known by. */
  readonly besideBytes: number
}

/** Whether a runner holds more for more pairs. */
export const notFlat = (now: HeldSize, before: HeldSize): string[] => {
  const more = now.besideBytes - before.besideBytes
  if (before.pairs < FLAT_FROM_PAIRS || more <= FLAT_WITHIN_BYTES) return []
  return [`the runner of ${now.pairs} pairs holds ${megabytes(more)} more beside rows`]
}
