// Deletes what is no longer needed: deleted datasets, journals, jobs and metrics of runs that ended long ago, blobs to which nothing refers. One
// object, one alarm, a bounded piece of work an event; what it has done is noted, so that it may be killed at any time.
import { DurableObject } from "cloudflare:workers"
import { CLAIM_MS } from "#shared/wire/blob-claims.ts"
import type { Environment, SweeperRpc } from "../Environment.ts"
import { numberSetting } from "../settings.ts"
import { forgetEnded } from "./ended-runs.ts"
import { Marks } from "./Marks.ts"
import { FIRST_PAGE, type Round, sweepOrphans } from "./orphans.ts"
import { purgeDatasets } from "./purge-dataset.ts"

const DAY_MS = 24 * 3_600_000
/** Between two looks at whether there is anything to do. */
const IDLE_MS = 3_600_000
/** After an event that broke or was killed. */
const AGAIN_MS = 60_000

/** For how many days things are kept that nobody needs any more. */
const DEFAULT_DAYS = { journals: 30, metrics: 365, packs: 30, orphans: 7 }

export class Sweeper extends DurableObject<Environment> implements SweeperRpc {
  readonly #marks: Marks
  /** Since the event under way began: who asks comes perhaps after what it has looked at. */
  #isAsked = false

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env)
    this.#marks = new Marks(ctx.storage.sql)
  }

  /** Looks at once where that is asked for, else within the hour. */
  async wake(isUrgent: boolean): Promise<void> {
    this.#isAsked ||= isUrgent
    const [current, at] = [await this.ctx.storage.getAlarm(), isUrgent ? Date.now() : Date.now() + AGAIN_MS]
    if (current === null || (isUrgent && current > at)) await this.ctx.storage.setAlarm(at)
  }

  override async alarm(): Promise<void> {
    this.#isAsked = false
    await this.ctx.storage.setAlarm(Date.now() + AGAIN_MS)
    try {
      const isMore = await this.sweep(Date.now())
      await this.ctx.storage.setAlarm(isMore || this.#isAsked ? Date.now() : Date.now() + IDLE_MS)
    } catch (cause) {
      console.error(`the sweep broke off: ${cause instanceof Error ? (cause.stack ?? cause.message) : cause}`)
    }
  }

  /** One event's work. True: there is more. */
  async sweep(nowMs: number): Promise<boolean> {
    const { env } = this
    const { storage } = this.ctx
    const days = {
      journals: numberSetting(env, "YOHAKU_KEEP_JOURNALS_DAYS", DEFAULT_DAYS.journals, 1),
      metrics: numberSetting(env, "YOHAKU_KEEP_METRICS_DAYS", DEFAULT_DAYS.metrics, 1),
    }
    const tasks = [
      () => purgeDatasets(env, storage, nowMs),
      () => forgetEnded(env, storage, "journals", nowMs - days.journals * DAY_MS),
      () => forgetEnded(env, storage, "metrics", nowMs - Math.max(days.journals, days.metrics) * DAY_MS),
      () => this.#sweepBlobs(nowMs),
    ]
    const done: PromiseSettledResult<boolean>[] = []
    for (const task of tasks) done.push(...(await Promise.allSettled([task()])))
    // What is in the way of one holds up none of the others.
    const broken = done.find((result) => result.status === "rejected")
    if (broken !== undefined) throw broken.reason
    return done.some((result) => result.status === "fulfilled" && result.value)
  }

  /** The next page of a round; a round begins a day after the last one began. */
  async #sweepBlobs(nowMs: number): Promise<boolean> {
    const { env } = this
    const { storage } = this.ctx
    const under = await storage.get<Round>("round")
    if (under === undefined) {
      if (((await storage.get<number>("roundBegan")) ?? 0) > nowMs - DAY_MS) return false
      // A database that was lost names nothing: whoever restores it finds the blobs as they were.
      if ((await env.DB.prepare("SELECT 1 FROM models LIMIT 1").first()) === null) return false
      await storage.put("roundBegan", nowMs)
      await env.DB.prepare("DELETE FROM blob_claims WHERE claimed_at < ?")
        .bind(nowMs - CLAIM_MS)
        .run()
    }
    const next = await sweepOrphans(env, this.#marks, under ?? FIRST_PAGE, {
      nowMs,
      orphanedBefore: nowMs - numberSetting(env, "YOHAKU_KEEP_ORPHANS_DAYS", DEFAULT_DAYS.orphans, 1) * DAY_MS,
      endedAfter: nowMs - numberSetting(env, "YOHAKU_KEEP_PACKS_DAYS", DEFAULT_DAYS.packs, 1) * DAY_MS,
    })
    if (next === undefined) await storage.delete("round")
    else await storage.put<Round>("round", next)
    return next !== undefined
  }
}
