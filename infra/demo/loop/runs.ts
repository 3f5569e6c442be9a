// Starts the session's runs and follows them to their end.
import { setTimeout as sleep } from "node:timers/promises"
import { call } from "#infra/local/http.ts"
import type { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import type { Run } from "#shared/domain/Run.ts"
import type { Provisioned } from "./provision.ts"
import { standardWebhookHeaders } from "./signing.ts"

const POLL_MS = 500

export interface LocalGateway {
  readonly url: string
  readonly datasetId: string
  readonly provisioned: Provisioned
  readonly operatorKey: string
  /** Ends every call, and with it the demo. */
  readonly signal?: AbortSignal | undefined
}

export const getRun = ({ url, operatorKey, signal }: LocalGateway, id: string): Promise<Run> =>
  call<Run>(url, "GET", `/v1/runs/${encodeURIComponent(id)}`, { key: operatorKey, signal })

/** The run that the dataset's threshold started by itself. */
export const thresholdRun = async (gateway: LocalGateway): Promise<string> => {
  for (;;) {
    const { items } = await call<{ items: readonly Run[] }>(
      gateway.url,
      "GET",
      `/v1/runs?datasetId=${gateway.datasetId}&limit=100`,
      {
        key: gateway.operatorKey,
        signal: gateway.signal,
      },
    )
    const found = items.find((run) => run.trigger === "threshold")
    if (found !== undefined) return found.id
    await sleep(POLL_MS)
  }
}

/** Starts a run by the signed retrain webhook; the same delivery id is the same run. */
export const webhookRun = async ({ url, provisioned, signal }: LocalGateway, deliveryId: string): Promise<string> => {
  const body = JSON.stringify({ type: "retrain.requested", timestamp: new Date().toISOString(), data: {} })
  const now = Math.floor(Date.now() / 1000)
  const answer = await call<{ runId: string }>(url, "POST", provisioned.retrain.path, {
    bytes: new TextEncoder().encode(body),
    signal,
    headers: {
      ...standardWebhookHeaders(provisioned.retrain.secret, deliveryId, body, now),
      "content-type": "application/json",
    },
  })
  return answer.runId
}

/** Starts a baseline by the API. It is never promoted: it is there to be compared with. */
export const baselineRun = async (
  { url, datasetId, operatorKey, signal }: LocalGateway,
  key: string,
  name: string,
  config: Readonly<Record<string, unknown>>,
): Promise<string> => {
  const answer = await call<{ runId: string }>(url, "POST", `/v1/datasets/${datasetId}/runs`, {
    key: operatorKey,
    idempotencyKey: key,
    signal,
    body: { config, promotion: "never", modelName: `${datasetId}-${name}` },
  })
  return answer.runId
}

/** What is under way on the gateway. */
type UnderWay = Pick<Run | ModelEvaluation, "status" | "step" | "progress" | "error">

/** Polls until it ends; `onChange` is called with every change of step or progress. Throws when it fails. */
const untilOver = async <A extends UnderWay>(
  look: () => Promise<A>,
  nameOf: (seen: A) => string,
  onChange: (seen: A) => void,
): Promise<A> => {
  let shown = ""
  for (;;) {
    const seen = await look()
    const state = JSON.stringify([seen.step, seen.progress])
    if (state !== shown) onChange(seen)
    shown = state
    if (seen.status === "succeeded") return seen
    if (seen.status !== "running")
      throw new Error(`${nameOf(seen)} ${seen.status} at ${seen.step}: ${seen.error ?? "no reason given"}`)
    await sleep(POLL_MS)
  }
}

/** Waits for a run. Throws when it fails. */
export const finishedRun = (gateway: LocalGateway, id: string, onChange: (run: Run) => void): Promise<Run> =>
  untilOver(
    () => getRun(gateway, id),
    ({ method }) => `the ${method} run`,
    onChange,
  )

/** Waits for an evaluation of a model. Throws when it fails. */
export const finishedEvaluation = (
  { url, operatorKey, signal }: LocalGateway,
  modelName: string,
  id: string,
  onChange: (evaluation: ModelEvaluation) => void,
): Promise<ModelEvaluation> => {
  const path = `/v1/models/${encodeURIComponent(modelName)}/evaluations/${encodeURIComponent(id)}`
  return untilOver(
    () => call<ModelEvaluation>(url, "GET", path, { key: operatorKey, signal }),
    () => "the evaluation of the answers",
    onChange,
  )
}
