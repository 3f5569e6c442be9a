// Which references this isolate scores pairs of for a run just now. Two runs that need the same responses would find both of them missing, and
// compute them twice: one goes after the other, and finds what the first wrote. Events share no promise (LoadedModels.ts), so they look again.

/** After which a turn counts as broken off: its event may have ended without a word. */
const LONGEST_TURN_MS = 60_000

export class ScoringTurns {
  readonly #endsMs = new Map<string, number>()

  /** Until when the caller has the turn, by which it says that it is over; undefined: another has it. */
  begin(reference: string, nowMs: number): number | undefined {
    if (nowMs < (this.#endsMs.get(reference) ?? 0)) return undefined
    const endsMs = nowMs + LONGEST_TURN_MS
    this.#endsMs.set(reference, endsMs)
    return endsMs
  }

  /** A turn that took longer than it had may be another's by now. */
  end(reference: string, endsMs: number): void {
    if (this.#endsMs.get(reference) === endsMs) this.#endsMs.delete(reference)
  }
}

/** One for the isolate. */
export const scoringTurns = new ScoringTurns()
