// Stands for the scorer: writes a reference record for every response of the named pairs, each log-prob a function of the
// response's digest, and counts as the scorer does. It can be told to be away, to refuse, or to write spoilt records.
import { WorkerEntrypoint } from "cloudflare:workers"

let state

const start = () => ({ fingerprint: "", away: 0, refusal: undefined, unusable: undefined, spoilt: 0, calls: 0 })
state = start()

const record = (digest, tokens) =>
  Float32Array.from({ length: tokens }, (_, index) => {
    const byte = Number.parseInt(digest.slice((2 * index) % 62, ((2 * index) % 62) + 2), 16)
    return -0.5 - byte / 128
  })

export class Scorer extends WorkerEntrypoint {
  reset(fingerprint) {
    state = { ...start(), fingerprint }
  }
  configure(change) {
    Object.assign(state, change)
  }
  calls() {
    return state.calls
  }
  checkReference() {
    // Said once: the next world registers its model before it resets this.
    const { unusable } = state
    state.unusable = undefined
    return unusable === undefined
      ? { ok: true, value: { place: "edge", why: "it fits", precision: "stored", maxPositions: 4096 } }
      : { ok: false, error: { _tag: "Invalid", message: unusable } }
  }
  async score({ datasetId, pairIds }) {
    state.calls++
    if (pairIds.length > 64) return { ok: false, error: { _tag: "Invalid", message: "at most 64 pairs a call" } }
    if (state.away > 0) {
      state.away--
      throw new Error("the scorer is restarting")
    }
    if (state.refusal !== undefined) return { ok: false, error: { _tag: "Invalid", message: state.refusal } }
    const counts = { computed: 0, fromCache: 0 }
    const marks = pairIds.map(() => "?").join(", ")
    const { results } = await this.env.DB.prepare(
      `SELECT chosen_digest, rejected_digest, chosen_tokens, rejected_tokens FROM pairs WHERE dataset_id = ? AND id IN (${marks})`,
    )
      .bind(datasetId, ...pairIds)
      .all()
    for (const row of results) {
      await this.#one(row.chosen_digest, row.chosen_tokens, counts)
      await this.#one(row.rejected_digest, row.rejected_tokens, counts)
    }
    return { ok: true, value: counts }
  }
  async #one(digest, tokens, counts) {
    const key = `rl1:${state.fingerprint.slice(0, 16)}:${digest}`
    const found = await this.env.REFERENCES.get(key, "arrayBuffer")
    if (found?.byteLength === 4 * tokens) {
      counts.fromCache++
      return
    }
    const values = record(digest, state.spoilt > 0 ? tokens - 1 : tokens)
    if (state.spoilt > 0) state.spoilt--
    const metadata = { s: values.reduce((sum, x) => sum + x, 0), n: values.length, ep: "wasm", v: 1 }
    await this.env.REFERENCES.put(key, values.buffer, { metadata })
    counts.computed++
  }
}

export default { fetch: () => new Response(null, { status: 404 }) }
