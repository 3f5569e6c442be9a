// The three ways in which a comparison reaches the gateway, each in its tool's own shape (recorded from their sources:
// Argilla 2's `response.created`, Label Studio's `ANNOTATION_CREATED`, and the native API's comparison).
import type { LabelledComparison } from "./comparisons.ts"
import type { SeededRandom } from "./random.ts"

export const CARRIERS = ["argilla", "label-studio", "native"] as const
export type Carrier = (typeof CARRIERS)[number]

export type RejectionReason =
  | "empty-response"
  | "identical-responses"
  | "invalid-signature"
  | "unknown-candidate"
  | "unknown-field"

/** What the gateway must do with a delivery. `pairs` is the number of pairs that follow from an accepted one. */
export type Expectation =
  | { readonly outcome: "accepted"; readonly pairs: 0 | 1 }
  | { readonly outcome: "rejected"; readonly reason: RejectionReason }
  | { readonly outcome: "duplicate" }
  | { readonly outcome: "ignored" }

export interface TrafficEvent {
  /** the comparison's external id, as in the body */
  readonly id: string
  readonly carrier: Carrier
  readonly expect: Expectation
  /** "wrong": the replayer must sign this delivery with a secret that the endpoint does not know */
  readonly sign?: "wrong"
  readonly body: JsonObject
}

export interface JsonObject {
  readonly [name: string]: unknown
}

export type Judgement = "labelled" | "tie"

interface DeliveryOptions {
  readonly judgement?: Judgement
  /** the labeller has not finished (a draft) or has skipped the task */
  readonly isUnfinished?: boolean
}

/** A delivery of the comparison; ids and the time within the tool come from `random` and `labelledAt`. */
export function deliveryBody(
  carrier: Carrier,
  comparison: LabelledComparison,
  labelledAt: Date,
  random: SeededRandom,
  options: DeliveryOptions = {},
): JsonObject {
  if (carrier === "argilla") return argillaBody(comparison, labelledAt, random, options)
  if (carrier === "label-studio") return labelStudioBody(comparison, labelledAt, random, options)
  return nativeBody(comparison, labelledAt, options)
}

/** Argilla writes microseconds. */
const argillaTime = (date: Date, random: SeededRandom): string =>
  date.toISOString().replace("Z", `${String(random.below(1000)).padStart(3, "0")}Z`)

function argillaBody(
  comparison: LabelledComparison,
  labelledAt: Date,
  random: SeededRandom,
  { judgement = "labelled", isUnfinished = false }: DeliveryOptions,
): JsonObject {
  const { question, answers, annotator, labelled } = comparison
  const time = argillaTime(labelledAt, random)
  const rank = (side: number): number => (judgement === "tie" || side === labelled ? 1 : 2)
  return {
    type: "response.created",
    version: 1,
    timestamp: time,
    data: {
      id: random.uuid(),
      status: isUnfinished ? "draft" : "submitted",
      values: {
        preference: {
          value: [
            { value: "response_a", rank: rank(0) },
            { value: "response_b", rank: rank(1) },
          ],
        },
      },
      record: {
        id: random.uuid(),
        status: "pending",
        external_id: comparison.id,
        metadata: { setting: question.setting, lang: question.language },
        fields: { prompt: question.prompt, response_a: answers[0].text, response_b: answers[1].text },
        dataset: {
          id: "5d0c4b1e-8a53-4c0e-9f6f-1b7f3f1f2a10",
          name: "answers",
          questions: [{ name: "preference", settings: { type: "ranking" } }],
          workspace: { name: "quality" },
        },
      },
      user: { id: annotatorUuid(annotator.labelStudioId), username: annotator.name, role: "annotator" },
      inserted_at: time,
      updated_at: time,
    },
  }
}

const annotatorUuid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`

const LABEL_CONFIG =
  '<View><Text name="prompt" value="$prompt"/><Text name="answer1" value="$answer1"/><Text name="answer2" value="$answer2"/>' +
  '<Pairwise name="pw" toName="answer1,answer2"/></View>'

function labelStudioBody(
  comparison: LabelledComparison,
  labelledAt: Date,
  random: SeededRandom,
  { isUnfinished = false }: DeliveryOptions,
): JsonObject {
  const { question, answers, annotator, labelled } = comparison
  const taskId = 1000 + Number(comparison.id.replace(/\D/g, ""))
  const selected = labelled === 0 ? "left" : "right"
  const result = {
    id: random.uuid().slice(0, 10),
    type: "pairwise",
    from_name: "pw",
    to_name: "answer1,answer2",
    value: { selected },
  }
  return {
    action: "ANNOTATION_CREATED",
    annotation: {
      id: 5000 + taskId,
      result: isUnfinished ? [] : [result],
      was_cancelled: isUnfinished,
      ground_truth: false,
      completed_by: annotator.labelStudioId,
      lead_time: Math.round(50 + random.below(400)) / 10,
      task: taskId,
      created_at: labelledAt.toISOString(),
      updated_at: labelledAt.toISOString(),
    },
    task: {
      id: taskId,
      data: {
        row: comparison.id,
        prompt: question.prompt,
        answer1: answers[0].text,
        answer2: answers[1].text,
        setting: question.setting,
        lang: question.language,
      },
    },
    project: { id: 2, title: "answers", label_config: LABEL_CONFIG },
  }
}

function nativeBody(
  comparison: LabelledComparison,
  labelledAt: Date,
  { judgement = "labelled" }: DeliveryOptions,
): JsonObject {
  const { question, answers, annotator, labelled } = comparison
  const candidateIds = ["a", "b"] as const
  return {
    externalId: comparison.id,
    prompt: [{ role: "user", content: question.prompt }],
    candidates: answers.map(({ text }, side) => ({
      id: candidateIds[side],
      response: [{ role: "assistant", content: text }],
    })),
    judgement: judgement === "tie" ? { kind: "tie" } : { kind: "choice", winner: candidateIds[labelled] },
    annotator: annotator.name,
    task: question.setting,
    labelledAt: labelledAt.toISOString(),
    metadata: { lang: question.language },
  }
}
