// Consumes the ingest queue and notes the ids it was handed.
import { WorkerEntrypoint } from "cloudflare:workers"

let taken = []

export class Consumer extends WorkerEntrypoint {
  take() {
    const ids = taken
    taken = []
    return ids
  }
}

export default {
  queue(batch) {
    taken.push(...batch.messages.map(({ body }) => body.comparisonId))
  },
}
