// Sends what the outbox holds to the ingest queue, again and again until the scorer has removed it. One object, one alarm.
// A row is the fact; a message is only a hint, so a message may be lost or doubled and nothing comes of it. Few are under way at a time:
// a large import waits in the outbox, not in the queue, where every row of it would be sent again and again before its turn came.
import { DurableObject } from "cloudflare:workers"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import type { Bindings, OutboxRelayRpc } from "../Environment.ts"
import { deriveAgain } from "./derive-again.ts"

const RESEND_AFTER_MS = 30_000
const LONGEST_RESEND_MS = 600_000
/** Sent within the last `RESEND_AFTER_MS` and not done; an older one is lost, or stuck, and holds up no other. */
const MOST_UNDER_WAY = 500
/** How often it is looked whether others may follow: so many a second are the most that a deployment takes in. */
const LOOK_AGAIN_MS = 500
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
const FAILURES = "failures"

/** When a row that was sent is due again: 30 s, doubled by every attempt, so that a slow consumer is not buried. */
const DUE_AGAIN_AT = `sent_at + min(${LONGEST_RESEND_MS}, ${RESEND_AFTER_MS} * (1 << min(max(attempts - 1, 0), 10)))`

/** At most `?2` rows: of what is due again at most `?3`; and what was never sent, in its order. */
const NEXT = `
  SELECT comparison_id FROM (
    SELECT comparison_id FROM outbox WHERE sent_at <= ?1 - ${RESEND_AFTER_MS} AND ${DUE_AGAIN_AT} <= ?1 LIMIT ?3)
  UNION ALL
  SELECT comparison_id FROM (SELECT comparison_id FROM outbox WHERE sent_at IS NULL ORDER BY created_at LIMIT ?2)
  LIMIT ?2`

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

export class OutboxRelay extends DurableObject<Bindings> implements OutboxRelayRpc {
  async wake(): Promise<void> {
    await this.#arm(Date.now())
  }

  /** An earlier alarm stays: whoever woke the relay while it worked must not wait for its next round. */
  async #arm(atMs: number): Promise<void> {
    const current = await this.ctx.storage.getAlarm()
    if (current === null || current > atMs) await this.ctx.storage.setAlarm(atMs)
  }

  override async alarm(): Promise<void> {
    // The platform gives up on an alarm after six failures, so failures are counted here and the alarm never throws.
    try {
      const nextMs = await this.#relay()
      await this.ctx.storage.delete(FAILURES)
      // What was never sent is due since ever, and no alarm may be set for that.
      if (nextMs !== null) await this.#arm(Math.max(nextMs, Date.now()))
    } catch (cause) {
      const failures = ((await this.ctx.storage.get<number>(FAILURES)) ?? 0) + 1
      await this.ctx.storage.put(FAILURES, failures)
      console.error(`the outbox could not be relayed (${failures} in a row): ${messageOf(cause)}`)
      await this.#arm(Date.now() + Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10), LONGEST_RETRY_MS))
    }
  }

  /** Sends what is due, as far as there is room; returns when to look again, or null when nothing remains. */
  async #relay(): Promise<number | null> {
    const now = Date.now()
    const room = MOST_UNDER_WAY - (await this.#underWay(now))
    // What is stuck holds up nothing new: of the room a quarter is for what is sent again.
    const { results } = await this.env.DB.prepare(NEXT)
      .bind(now, room, Math.ceil(room / 4))
      .all<{ comparison_id: string }>()
    const ids = results.map((row) => row.comparison_id)
    for (const some of slices(ids, LIMITS.messagesPerSend)) await this.#send(some, now)
    if (ids.length >= room) return now + LOOK_AGAIN_MS
    // Only where what waits is on its way: derivations never bury new comparisons.
    if (await deriveAgain(this.env.DB)) return now
    const next = await this.env.DB.prepare(`SELECT min(${DUE_AGAIN_AT}) AS due FROM outbox`).first<{
      due: number | null
    }>()
    return next?.due ?? null
  }

  async #underWay(now: number): Promise<number> {
    const counted = await this.env.DB.prepare("SELECT count(*) AS count FROM outbox WHERE sent_at > ?")
      .bind(now - RESEND_AFTER_MS)
      .first<{ count: number }>()
    return Math.min(counted!.count, MOST_UNDER_WAY)
  }

  async #send(ids: readonly string[], now: number): Promise<void> {
    const mark = (set: string, ...values: (string | number)[]) =>
      this.env.DB.prepare(`UPDATE outbox SET ${set} WHERE comparison_id IN (SELECT value FROM json_each(?))`)
        .bind(...values, JSON.stringify(ids))
        .run()
    try {
      await this.env.INGEST.sendBatch(ids.map((comparisonId) => ({ body: { comparisonId } })))
    } catch (cause) {
      await mark("last_error = ?", messageOf(cause))
      throw cause
    }
    // Why the scorer broke off stays until it has an answer.
    await mark("sent_at = ?, attempts = attempts + 1, last_error = CASE WHEN tries > 0 THEN last_error END", now)
  }
}
