// Log-probs that were computed and not handed in yet, as the calls that hand them in. What is computed quickly goes in large calls, what is
// computed slowly every few seconds, so that little is lost with a runner.
import { encodeScores, type HandedScores, handedBytes } from "#shared/wire/handed-scores.ts"
import { LIMITS } from "#shared/wire/limits.ts"

/** A call is full with so much; its last pair may bring more. */
const CALL_BYTES = 1024 * 1024
const CALL_INTERVAL_MS = 5000

export interface ScoresCall {
  /** Number of its first pair. */
  readonly from: number
  readonly bytes: Uint8Array
}

export class PendingScores {
  #pairs: HandedScores[] = []
  #from: number
  #calledMs = performance.now()

  /** `from`: the number of the first pair that will be added. */
  constructor(from: number) {
    this.#from = from
  }

  add(pairs: readonly HandedScores[]): void {
    this.#pairs.push(...pairs)
  }

  /** Full calls; after a while without any, what there is. */
  *due(): Generator<ScoresCall> {
    while (this.#countOfCall() < this.#pairs.length || this.#isFull()) yield this.#take()
    if (this.#pairs.length > 0 && performance.now() - this.#calledMs >= CALL_INTERVAL_MS) yield this.#take()
  }

  /** Everything. */
  *rest(): Generator<ScoresCall> {
    while (this.#pairs.length > 0) yield this.#take()
  }

  /** How many of the first pairs make a call. */
  #countOfCall(): number {
    let bytes = 0
    const most = Math.min(this.#pairs.length, LIMITS.pairsPerHandIn)
    for (let count = 0; count < most; count++) {
      if (bytes >= CALL_BYTES) return count
      bytes += handedBytes(this.#pairs[count]!)
    }
    return most
  }

  #isFull(): boolean {
    const bytes = this.#pairs.reduce((sum, pair) => sum + handedBytes(pair), 0)
    return this.#pairs.length >= LIMITS.pairsPerHandIn || bytes >= CALL_BYTES
  }

  #take(): ScoresCall {
    const taken = this.#pairs.splice(0, this.#countOfCall())
    const from = this.#from
    this.#from += taken.length
    this.#calledMs = performance.now()
    return { from, bytes: encodeScores(taken) }
  }
}
