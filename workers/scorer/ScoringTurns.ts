// Which references this isolate scores pairs of for a run just now. Two runs that need the same responses would find both of them missing, and
// compute them twice: one goes after the other, and finds what the first wrote. Events share no promise (LoadedModels.ts), so they look again.

/** After which without a sign of life a turn counts as broken off: its event may have ended without a word. */
const LONGEST_SILENCE_MS = 60_000

interface Turn {
  readonly reference: string
  endsMs: number
}

export class ScoringTurns {
  readonly #turns = new Map<string, Turn>()

  /** The turn, which is renewed while it is used; undefined: another has it. */
  begin(reference: string, nowMs: number): Turn | undefined {
    if (nowMs < (this.#turns.get(reference)?.endsMs ?? 0)) return undefined
    const turn = { reference, endsMs: nowMs + LONGEST_SILENCE_MS }
    this.#turns.set(reference, turn)
    return turn
  }

  /** One that is another's by now stays that. */
  renew(turn: Turn, nowMs: number): void {
    if (this.#turns.get(turn.reference) === turn) turn.endsMs = nowMs + LONGEST_SILENCE_MS
  }

  /** A turn that was silent for longer than it may be can be another's by now. */
  end(turn: Turn): void {
    if (this.#turns.get(turn.reference) === turn) this.#turns.delete(turn.reference)
  }
}

/** One for the isolate. */
export const scoringTurns = new ScoringTurns()
