// Sends what the outbox holds to the ingest queue, again and again until the scorer has removed it. One object, one alarm.
// A row is the fact; a message is only a hint, so a message may be lost or doubled and nothing comes of it.
import { DurableObject } from "cloudflare:workers"
import { LIMITS } from "#shared/wire/limits.ts"
import type { Bindings, OutboxRelayRpc } from "../Environment.ts"

const RESEND_AFTER_MS = 30_000
const LONGEST_RESEND_MS = 600_000
const ROWS_PER_ALARM = 1000
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
const FAILURES = "failures"

/** When a row that was sent is due again: 30 s, doubled by every attempt, so that a slow consumer is not buried. */
const DUE_AT = `CASE WHEN sent_at IS NULL THEN 0
  ELSE sent_at + min(${LONGEST_RESEND_MS}, ${RESEND_AFTER_MS} * (1 << min(max(attempts - 1, 0), 10))) END`

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

  /** Sends what is due; returns when the next row is, or null when none remains. */
  async #relay(): Promise<number | null> {
    const now = Date.now()
    const { results } = await this.env.DB.prepare(
      `SELECT comparison_id FROM outbox WHERE ${DUE_AT} <= ? ORDER BY created_at LIMIT ${ROWS_PER_ALARM}`,
    )
      .bind(now)
      .all<{ comparison_id: string }>()
    const ids = results.map((row) => row.comparison_id)
    for (let start = 0; start < ids.length; start += LIMITS.messagesPerSend)
      await this.#send(ids.slice(start, start + LIMITS.messagesPerSend), now)
    const next = await this.env.DB.prepare(`SELECT min(${DUE_AT}) AS due FROM outbox`).first<{ due: number | null }>()
    return next?.due ?? null
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
