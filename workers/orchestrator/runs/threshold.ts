// Starts a run when automatic.ts says that one is due: called when pairs became ready, and by the sweep. What is in the way of one is
// kept with the dataset, where `GET /v1/datasets/{id}/trigger` shows it, until a look goes well.
import type { RpcResult } from "#shared/wire/services.ts"
import type { Environment } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { automaticRuns } from "./automatic.ts"
import { findAskedLook, LOOK_AGAIN_MS, noteLook, putLookOff } from "./due-looks.ts"
import { LookPace } from "./LookPace.ts"
import { triggerRun } from "./trigger.ts"

interface Look {
  /** The run that was started, or null when there is no reason for one. */
  readonly runId: string | null
  /** When one may be due without a new pair. */
  readonly next?: number | undefined
}

const pace = new LookPace()

const startIfDue = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  const found = await automaticRuns(env.DB, datasetId)
  if (found === undefined) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  pace.counted(datasetId, found.trainPairs + found.heldOutPairs, Date.now())
  // Where a run is under way, its end has somebody look.
  if (found.state !== "due") return succeed({ runId: null, next: found.repeatAt ?? found.startsAt })
  const key = `threshold-after:${found.lastRunId ?? "nothing"}`
  const started = await triggerRun(env, { datasetId, trigger: "threshold", key })
  return started.ok ? succeed({ runId: started.value.runId }) : started
}

/** Starts the dataset's run if one is due. Rejects with what a part that did not answer said. */
export const lookNow = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  const lookedAt = Date.now()
  const asked = await findAskedLook(env.DB, datasetId)
  if (asked === undefined) pace.forget(datasetId)
  else if (asked.isOff) pace.counted(datasetId, 0, lookedAt)
  if (asked === undefined) return refuse("NotFound", `there is no dataset "${datasetId}"; create it first`)
  const { isOff, version } = asked
  const noteFault = (fault: string) => noteLook(env, datasetId, version, { fault, next: Date.now() + LOOK_AGAIN_MS })
  try {
    const looked = isOff ? succeed<Look>({ runId: null }) : await startIfDue(env, datasetId)
    if (looked.ok) await noteLook(env, datasetId, version, { fault: null, next: looked.value.next ?? null })
    else await noteFault(looked.error.message)
    return looked
  } catch (cause) {
    // Where even this cannot be kept, the reason that is told is the first.
    await noteFault(cause instanceof Error ? cause.message : String(cause)).catch(() => undefined)
    throw cause
  }
}

/** Looks when pairs became ready; a look too soon after another is put off, and the sweep makes it, which itself puts off nothing. */
export const lookAtThreshold = async (env: Environment, datasetId: string): Promise<RpcResult<Look>> => {
  const until = pace.begin(datasetId, Date.now())
  if (until === undefined) return lookNow(env, datasetId)
  await putLookOff(env, datasetId, until)
  return succeed({ runId: null })
}
