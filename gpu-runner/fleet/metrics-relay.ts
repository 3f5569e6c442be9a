// Metrics on their way to the gateway: kept until it has acknowledged them, sent in order. A batch that is sent twice is
// harmless, because each carries the step it begins with.
import { Effect } from "effect"
import { type Lease, RunnerApi } from "./RunnerApi.ts"

interface Line {
  readonly step: number
  readonly text: string
}

const LINES_PER_CALL = 200

/** The first lines whose steps follow one another: a call says the step of its first line alone. */
const nextBatch = (pending: readonly Line[]): readonly Line[] => {
  const first = pending[0]!.step
  const end = pending.findIndex(({ step }, index) => step !== first + index)
  return pending.slice(0, Math.min(LINES_PER_CALL, end === -1 ? pending.length : end))
}

export class MetricsRelay {
  readonly #pending: Line[] = []

  push(step: number, metrics: Readonly<Record<string, unknown>>): void {
    this.#pending.push({ step, text: JSON.stringify(metrics) })
  }

  /** Sends what is pending; what could not be sent stays. */
  flush(lease: Lease) {
    const pending = this.#pending
    return Effect.gen(function* () {
      const api = yield* RunnerApi
      while (pending.length > 0) {
        const batch = nextBatch(pending)
        yield* api.metrics(
          lease,
          batch[0]!.step,
          batch.map((line) => line.text),
        )
        pending.splice(0, batch.length)
      }
    })
  }
}
