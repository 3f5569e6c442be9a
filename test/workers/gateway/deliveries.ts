// Deliveries as the labelling tools make them: their shapes, their signatures, their defects.
import { Webhook } from "standardwebhooks"
import type { WebhookSource } from "#shared/domain/WebhookEndpoint.ts"
import { type Answer, call, DATASET, post } from "./world.ts"

export interface Endpoint {
  readonly id: string
  readonly path: string
  readonly secret: string
}

export const makeEndpoint = async (source: WebhookSource, mapping: object = {}, secret?: string): Promise<Endpoint> => {
  const body = { source, mapping, ...(secret === undefined ? {} : { secret }) }
  const answer = await post<Endpoint>(`/v1/datasets/${DATASET}/webhooks`, body)
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.value
}

export interface Signing {
  readonly id?: string
  readonly sentAtMs?: number
  readonly signedAtMs?: number
  readonly secret?: string
}

/** The answer to a delivery, or the problem. */
export interface Outcome {
  readonly status: string | number
  readonly reason?: string
  readonly runId?: string
  readonly type?: string
  readonly detail?: string
}

let counter = 0

/** Delivers by Standard Webhooks. */
export const deliverSigned = (
  endpoint: Endpoint,
  payload: unknown,
  { id = `msg_${++counter}`, sentAtMs = Date.now(), signedAtMs = sentAtMs, secret = endpoint.secret }: Signing = {},
): Promise<Answer<Outcome>> => {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload)
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(sentAtMs / 1000)),
    "webhook-signature": new Webhook(secret).sign(id, new Date(signedAtMs), body),
  }
  return call("POST", endpoint.path, { raw: body, headers, key: null })
}

/** Delivers as Label Studio does: the secret in a header. */
export const deliverPlain = (
  endpoint: Endpoint,
  payload: unknown,
  secret = endpoint.secret,
): Promise<Answer<Outcome>> =>
  call("POST", endpoint.path, { json: payload, headers: { "x-yohaku-secret": secret }, key: null })

const RANKED = {
  preference: {
    value: [
      { value: "response_a", rank: 1 },
      { value: "response_b", rank: 2 },
    ],
  },
}

export interface ArgillaChanges {
  readonly type?: string
  readonly timestamp?: string
  readonly data?: Readonly<Record<string, unknown>>
  readonly values?: Readonly<Record<string, unknown>>
  readonly fields?: Readonly<Record<string, unknown>>
}

export const argillaEvent = ({
  type = "response.created",
  timestamp,
  data,
  values = RANKED,
  fields,
}: ArgillaChanges = {}) => ({
  type,
  version: 1,
  timestamp: timestamp ?? new Date().toISOString(),
  data: {
    id: "6c1e",
    status: "submitted",
    values,
    record: {
      id: "77aa",
      status: "pending",
      external_id: "row-9",
      metadata: { lang: "en", setting: "support" },
      fields: { prompt: "Why is tea hot?", response_a: "Because…", response_b: "It is not.", ...fields },
      dataset: { id: "d", name: "tea", questions: [{ name: "preference", settings: { type: "ranking" } }] },
    },
    user: { id: "u1", username: "ann1", role: "annotator" },
    inserted_at: "2026-11-01T10:00:00.123456",
    updated_at: "2026-11-01T10:00:00.123456",
    ...data,
  },
})

export const labelStudioEvent = (
  annotation: Readonly<Record<string, unknown>> = {},
  { action = "ANNOTATION_CREATED", data = {} }: { readonly action?: string; readonly data?: object } = {},
) => ({
  action,
  annotation: {
    id: 17,
    result: [{ id: "w1", type: "pairwise", from_name: "pw", to_name: "answer1,answer2", value: { selected: "left" } }],
    was_cancelled: false,
    ground_truth: false,
    completed_by: 3,
    lead_time: 8.4,
    task: 19,
    updated_at: "2026-11-01T10:00:00.000000Z",
    ...annotation,
  },
  task: {
    id: 19,
    data: { prompt: "Why is tea hot?", answer1: "Because…", answer2: "It is not.", setting: "support", ...data },
  },
  project: { id: 2, title: "tea", label_config: "<View/>" },
})
