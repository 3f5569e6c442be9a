// Sends what the outbox holds to the ingest queue, again and again until the scorer has removed it. One object, one alarm.
// A row is the fact; a message is only a hint, so a message may be lost or doubled and nothing comes of it. Few are under way at a time:
// a large import waits in the outbox, not in the queue, where every row of it would be sent again and again before its turn came.
import { DurableObject } from "cloudflare:workers"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import type { Bindings, OutboxRelayRpc } from "../Environment.ts"
import { deriveAgain } from "./derive-again.ts"

const RESEND_AFTER_MS = 30_000
const LONGEST_RESEND_MS = 600_000
/**
 * Sent for the first or the second time in the last minute, and not answered: neither done nor failed. So long the queue may hold a row of
 * a slow consumer's; what is older is lost or stuck, and no reason to wait.
 */
const MOST_UNDER_WAY = 500
const UNDER_WAY_MS = 60_000
/** Of what is sent again, in `RESEND_AFTER_MS`, beside those: what is stuck takes no room from what is new. */
const MOST_SENT_AGAIN = 125
/** How often it is looked whether others may follow: `MOST_UNDER_WAY` each time are the most that a deployment takes in. */
const LOOK_AGAIN_MS = 500
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
const FAILURES = "failures"

/** When a row that was sent is due again: 30 s, doubled by every attempt, so that a slow consumer is not buried. */
const DUE_AGAIN_AT = `sent_at + min(${LONGEST_RESEND_MS}, ${RESEND_AFTER_MS} * (1 << min(max(attempts - 1, 0), 10)))`

/** At `?1`. A time that is yet to come is a clock's that was put back. */
const COUNTS = `
  SELECT count(*) FILTER (WHERE attempts <= 2 AND last_error IS NULL) AS underWay,
         count(*) FILTER (WHERE attempts > 1 AND sent_at > ?1 - ${RESEND_AFTER_MS}) AS sentAgain
    FROM outbox WHERE sent_at > ?1 - ${UNDER_WAY_MS} AND sent_at <= ?1`

const FIRST = "SELECT comparison_id FROM outbox WHERE sent_at IS NULL ORDER BY created_at LIMIT ?1"

const AGAIN = `
  SELECT comparison_id FROM outbox
   WHERE sent_at > ?2 OR (sent_at <= ?2 - ${RESEND_AFTER_MS} AND ${DUE_AGAIN_AT} <= ?2) LIMIT ?1`

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
    const room = await this.#room(now)
    const first = await this.#ids(this.env.DB.prepare(FIRST).bind(room.first))
    const again = await this.#ids(this.env.DB.prepare(AGAIN).bind(room.again, now))
    for (const some of slices([...first, ...again], LIMITS.messagesPerSend)) await this.#send(some, now)
    const isFull = first.length >= room.first
    // Only where what is new is on its way: derivations never bury new comparisons.
    if (!isFull && (await deriveAgain(this.env.DB))) return now
    if (isFull || again.length >= room.again) return now + LOOK_AGAIN_MS
    const next = await this.env.DB.prepare(`SELECT min(${DUE_AGAIN_AT}) AS due FROM outbox`).first<{
      due: number | null
    }>()
    return next?.due ?? null
  }

  /** How many may be sent now, for the first time and again. */
  async #room(now: number): Promise<{ readonly first: number; readonly again: number }> {
    const counts = await this.env.DB.prepare(COUNTS).bind(now).first<{ underWay: number; sentAgain: number }>()
    return {
      first: Math.max(0, MOST_UNDER_WAY - counts!.underWay),
      again: Math.max(0, MOST_SENT_AGAIN - counts!.sentAgain),
    }
  }

  async #ids(query: D1PreparedStatement): Promise<string[]> {
    const { results } = await query.all<{ comparison_id: string }>()
    return results.map((row) => row.comparison_id)
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
