// What was measured of each size, in words, and which of the bounds do not hold.
import type { EdgeStage } from "./edge-stages.ts"
import type { RunnerEpoch } from "./runner-epoch.ts"

export interface SizeResult {
  readonly pairs: number
  readonly shards: number
  readonly edge: Readonly<Record<string, EdgeStage>>
  readonly runner: RunnerEpoch
}

const MOST_GROWTH = 1.2
const MOST_ISOLATE_BYTES = 100_000_000
/** From this size on a runner holds no more beside what its rows are known by. */
const FLAT_FROM_PAIRS = 10_000
/** Of the lists of shards, which name a thousand pairs each, and of how exactly memory can be told. */
const FLAT_WITHIN_BYTES = 2_000_000

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`

const secondsOf = ({ edge, runner }: SizeResult): Readonly<Record<string, number>> => ({
  ...Object.fromEntries(Object.entries(edge).map(([name, { seconds }]) => [name, seconds])),
  // What was left out took nothing.
  ...Object.fromEntries(Object.entries(runner.seconds).filter(([name, seconds]) => name !== "epoch" || seconds > 1e-4)),
})

/** A stage's time by that of the size before and by how many times as many pairs there are: 1 is linear. */
const growthOf = (stage: string, now: SizeResult, before: SizeResult): number =>
  secondsOf(now)[stage]! / secondsOf(before)[stage]! / (now.pairs / before.pairs)

const besideRows = ({ runner: { peakBytes, rowBytes } }: SizeResult): number => peakBytes - rowBytes

export const lineOf = (result: SizeResult, before: SizeResult | undefined): string => {
  const { pairs, shards, edge, runner } = result
  const stages = Object.entries(secondsOf(result)).map(([name, seconds]) => {
    const growth = before === undefined ? "" : `, ${growthOf(name, result, before).toFixed(2)} × linear`
    const held = edge[name] === undefined ? "" : `, ${megabytes(edge[name].peakBytes)}`
    return `  ${name} ${seconds < 1 ? seconds.toFixed(4) : seconds.toFixed(2)} s${growth}${held}`
  })
  const held = `${megabytes(runner.peakBytes)}, of it ${megabytes(runner.rowBytes)} by rows and ${megabytes(besideRows(result))} beside`
  return [`${pairs} pairs, ${shards} shards`, ...stages, `  the runner holds ${held}`].join("\n")
}

const growing = (now: SizeResult, before: SizeResult): string[] =>
  Object.keys(secondsOf(now)).flatMap((stage) => {
    const growth = growthOf(stage, now, before)
    return growth <= MOST_GROWTH ? [] : [`${stage} of ${now.pairs} pairs takes ${growth.toFixed(2)} × linear`]
  })

const heavy = ({ pairs, edge }: SizeResult): string[] =>
  Object.entries(edge).flatMap(([stage, { peakBytes }]) =>
    peakBytes < MOST_ISOLATE_BYTES ? [] : [`${stage} of ${pairs} pairs holds ${megabytes(peakBytes)} in an isolate`],
  )

const notFlat = (now: SizeResult, before: SizeResult): string[] => {
  if (before.pairs < FLAT_FROM_PAIRS) return []
  const more = besideRows(now) - besideRows(before)
  return more <= FLAT_WITHIN_BYTES ? [] : [`the runner of ${now.pairs} pairs holds ${megabytes(more)} more beside rows`]
}

/** Sizes are given in rising order. */
export const brokenBounds = (results: readonly SizeResult[]): string[] =>
  results.flatMap((result, index) => {
    const before = results[index - 1]
    return [...heavy(result), ...(before ? [...growing(result, before), ...notFlat(result, before)] : [])]
  })
