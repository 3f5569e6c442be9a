// Starts a run when automatic.ts says that one is due: called when pairs became ready, and by the sweep. What is in the way of one is
// kept with the dataset, where `GET /v1/datasets/{id}/trigger` shows it, until a look goes well.
import type { RpcResult } from "#shared/wire/services.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { automaticRuns, isOff } from "./automatic.ts"
import { triggerRun } from "./trigger.ts"

interface Look {
  /** The run that was started, or null when there is no reason for one. */
  readonly runId: string | null
  /** When one may be due without a new pair. */
  readonly lookAt?: number
}

/**
 * A look counts the dataset's pairs, and pairs become ready a few at a time. So that the last of many takes no longer than the first, a look
 * at n pairs is followed by none for n / 20 ms: some hundredth of the time.
 */
const PAIRS_PER_MS = 20
/** When the next look may be made, by dataset; what an isolate forgets is one look more. */
const nextLooks = new Map<string, number>()
const MOST_REMEMBERED = 1000

const rememberLook = (datasetId: string, pairs: number, now: number): void => {
  nextLooks.delete(datasetId)
  if (nextLooks.size >= MOST_REMEMBERED) nextLooks.delete(nextLooks.keys().next().value!)
  nextLooks.set(datasetId, now + Math.floor(pairs / PAIRS_PER_MS))
}

/** Puts a look off: the sweep makes it, also where this isolate ends. */
const putOff = async (env: Environment, datasetId: string, until: number): Promise<void> => {
  await env.DB.prepare(
    "UPDATE datasets SET look_due_at = ?1 WHERE id = ?2 AND (look_due_at IS NULL OR look_due_at < ?1)",
  )
    .bind(until, datasetId)
    .run()
  // Also where nothing changed: the pool may not have answered who changed it.
  await poolOf(env).keepSweeping(until)
}

/** How long after a look that found a run under way somebody looks again: what came meanwhile may be enough for another. */
const LOOK_AGAIN_MS = 60_000

/** Keeps a dataset among those that the sweep looks at, which goes on for as long as a run is under way. */
const lookAgain = async ({ DB }: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  const lookAt = Date.now() + LOOK_AGAIN_MS
  await DB.prepare("UPDATE datasets SET look_due_at = ?1 WHERE id = ?2").bind(lookAt, datasetId).run()
  return succeed({ runId: null, lookAt })
}

const startIfDue = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  if (await isOff(env.DB, datasetId)) return succeed({ runId: null })
  const found = await automaticRuns(env.DB, datasetId)
  if (found !== undefined) rememberLook(datasetId, found.trainPairs + found.heldOutPairs, Date.now())
  if (found === undefined) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  // Nothing else may happen until it has been quiet: somebody has to look then.
  if (found.startsAt !== undefined) await poolOf(env).keepSweeping(found.startsAt)
  if (found.state === "running") return lookAgain(env, datasetId)
  const lookAt = found.repeatAt ?? found.startsAt
  if (found.state !== "due") return succeed({ runId: null, ...(lookAt === undefined ? {} : { lookAt }) })
  const key = `threshold-after:${found.lastRunId ?? "nothing"}`
  const started = await triggerRun(env, { datasetId, trigger: "threshold", key })
  return started.ok ? succeed({ runId: started.value.runId }) : started
}

/** Keeps what is in the way, or that nothing is; the sweep looks again meanwhile. Looks that were put off until `lookedAt` are made with this. */
const noteLook = async (env: Environment, datasetId: string, lookedAt: number, fault: string | null): Promise<void> => {
  await env.DB.prepare(
    `UPDATE datasets SET trigger_fault = ?1, look_due_at = CASE WHEN look_due_at > ?3 THEN look_due_at END
      WHERE id = ?2 AND (trigger_fault IS NOT ?1 OR look_due_at <= ?3)`,
  )
    .bind(fault, datasetId, lookedAt)
    .run()
  if (fault !== null) await poolOf(env).keepSweeping()
}

/** Starts the dataset's run if one is due. Rejects with what a part that did not answer said. */
export const lookNow = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  const lookedAt = Date.now()
  try {
    const looked = await startIfDue(env, datasetId)
    await noteLook(env, datasetId, lookedAt, looked.ok ? null : looked.error.message)
    return looked
  } catch (cause) {
    // Where even this cannot be kept, the reason that is told is the first.
    const fault = cause instanceof Error ? cause.message : String(cause)
    await noteLook(env, datasetId, lookedAt, fault).catch(() => undefined)
    throw cause
  }
}

/** Looks when pairs became ready; a look too soon after another is put off, and the sweep makes it, which itself puts off nothing. */
export const lookAtThreshold = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  const next = nextLooks.get(datasetId) ?? 0
  if (next <= Date.now()) return lookNow(env, datasetId)
  await putOff(env, datasetId, next)
  return succeed({ runId: null })
}
