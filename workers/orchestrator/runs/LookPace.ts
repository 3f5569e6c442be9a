// How often ready pairs have their dataset looked at. A look counts the dataset's pairs, and pairs become ready a few at a time: so that the
// last of many takes no longer than the first, a look at n pairs is followed by none for n / 20 ms, some hundredth of the time. Kept in
// memory: what an isolate forgets is one look more.

const PAIRS_PER_MS = 20
/** How many pairs a dataset is taken to have while the first look at it counts them: others wait a second for that. */
const UNCOUNTED_PAIRS = 20_000
const MOST_REMEMBERED = 1000

const waitMs = (pairs: number): number => Math.floor(pairs / PAIRS_PER_MS)

interface Remembered {
  readonly pairs: number
  readonly nextAt: number
}

export class LookPace {
  readonly #looks = new Map<string, Remembered>()
  readonly #mostRemembered: number

  constructor(mostRemembered = MOST_REMEMBERED) {
    this.#mostRemembered = mostRemembered
  }

  /** Begins a look, so that nobody else begins one meanwhile; where it comes too soon after another, the time until which it is put off. */
  begin(datasetId: string, now: number): number | undefined {
    const last = this.#looks.get(datasetId)
    if (last !== undefined && last.nextAt > now) {
      const until = Math.min(last.nextAt, now + waitMs(last.pairs))
      // The clock was put back: what was remembered of the time before would put looks off for as long.
      if (until < last.nextAt) this.counted(datasetId, last.pairs, now)
      return until
    }
    this.counted(datasetId, last?.pairs ?? UNCOUNTED_PAIRS, now)
    return undefined
  }

  /** A look found so many pairs. The dataset that was looked at longest ago is forgotten for it, where there are too many. */
  counted(datasetId: string, pairs: number, now: number): void {
    this.#looks.delete(datasetId)
    if (this.#looks.size >= this.#mostRemembered) this.#looks.delete(this.#looks.keys().next().value!)
    this.#looks.set(datasetId, { pairs, nextAt: now + waitMs(pairs) })
  }

  /** There was nothing to count. */
  forget(datasetId: string): void {
    this.#looks.delete(datasetId)
  }
}
