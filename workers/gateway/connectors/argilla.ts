// Argilla v2: response events, each the judgement of one annotator about one record. Every annotator's response has an id of
// its own, so that two annotators of a record are two comparisons.
import { Effect, Result, Schema } from "effect"
import type { WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { parseStrictJson } from "../http/strict-json.ts"
import { verifyStandardWebhook } from "../signatures/standard-webhooks.ts"
import { type Connector, decodePart, ignored, judgementOfLabel, readTexts, unusable } from "./Connector.ts"

const DEFAULT_PROMPT = "prompt"
const DEFAULT_RESPONSES = ["response_a", "response_b"]

const Fields = Schema.Record(Schema.String, Schema.Unknown)

const Event = Schema.Struct({ type: Schema.String, data: Fields })

const Answers = Schema.Record(Schema.String, Schema.Struct({ value: Schema.Unknown }))

const Response = Schema.Struct({
  id: Schema.NonEmptyString,
  status: Schema.String,
  values: Schema.optionalKey(Schema.NullOr(Answers)),
  updated_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  user: Schema.optionalKey(Schema.Struct({ id: Schema.String, username: Schema.optionalKey(Schema.String) })),
  record: Schema.Struct({ fields: Fields, metadata: Schema.optionalKey(Schema.NullOr(Fields)) }),
})
type Response = typeof Response.Type

const isRanking = Schema.is(Schema.Array(Schema.Struct({ value: Schema.String, rank: Schema.Int })))
const isString = Schema.is(Schema.String)
const isNumber = Schema.is(Schema.Finite)

/** Argilla's times are UTC, with or without saying so. */
const utc = (time: string): string => (/(?:Z|[+-]\d{2}:?\d{2})$/.test(time) ? time : `${time}Z`)

/**
 * Argilla signs with the event's time cut to whole seconds, but sends the time of sending in the header; the two differ
 * whenever a delivery waited. The header must still be within the tolerance.
 */
const eventTimes = (rawBody: Uint8Array) => (): readonly number[] => {
  const parsed = parseStrictJson(rawBody)
  const event = Result.isSuccess(parsed) ? (parsed.success.value as { readonly timestamp?: unknown } | null) : null
  const time = isString(event?.timestamp) ? Date.parse(utc(event.timestamp)) : Number.NaN
  return Number.isNaN(time) ? [] : [Math.floor(time / 1000)]
}

/** The one answered question that can be read as a judgement, or the one that the mapping names. */
const answerOf = (values: typeof Answers.Type, question: string | undefined): unknown => {
  if (question !== undefined) return Object.hasOwn(values, question) ? values[question]!.value : undefined
  const answers = Object.values(values).map(({ value }) => value)
  return answers.find(isRanking) ?? answers.find(isString)
}

const ratingsOf = (values: typeof Answers.Type, ratings: Readonly<Record<string, string>>) => {
  const scores: Record<string, number> = {}
  for (const [response, question] of Object.entries(ratings)) {
    const value = Object.hasOwn(values, question) ? values[question]!.value : undefined
    if (isNumber(value)) scores[response] = value
  }
  return scores
}

const judgementOf = (
  values: typeof Answers.Type,
  { question, ratings, labels }: WebhookMapping,
  responses: readonly string[],
): Comparison["judgement"] | undefined => {
  if (ratings !== undefined) return { kind: "rating", scores: ratingsOf(values, ratings) }
  const answer = answerOf(values, question)
  if (isString(answer)) return judgementOfLabel(answer, responses, labels)
  if (!isRanking(answer)) return undefined
  const ranks = Object.fromEntries(answer.map(({ value, rank }) => [value, rank]))
  return new Set(Object.values(ranks)).size === 1 ? { kind: "tie" } : { kind: "ranking", ranks }
}

const taskOf = ({ record }: Response, name: string | undefined): string | undefined => {
  if (name === undefined) return undefined
  const value = record.metadata?.[name] ?? record.fields[name]
  return isString(value) && value !== "" ? value : undefined
}

const comparisonOf = Effect.fnUntraced(function* (response: Response, mapping: WebhookMapping) {
  const responses = mapping.responses ?? DEFAULT_RESPONSES
  const texts = yield* readTexts(response.record.fields, mapping.prompt ?? DEFAULT_PROMPT, responses)
  const judgement = judgementOf(response.values ?? {}, mapping, responses)
  if (judgement === undefined)
    return yield* unusable(
      "No answered question can be read as a judgement; name a ranking or label question in the mapping's `question`, a rating question per response in `ratings`, or what each label means in `labels`.",
    )
  const task = taskOf(response, mapping.task)
  const annotator = response.user?.username ?? response.user?.id
  return {
    externalId: response.id,
    ...texts,
    judgement,
    ...(annotator ? { annotator } : {}),
    ...(task === undefined ? {} : { task }),
    ...(response.updated_at ? { labelledAt: utc(response.updated_at) } : {}),
  } satisfies Comparison
})

const DeletedResponse = Schema.Struct({ id: Schema.NonEmptyString })

const normalise: Connector["normalise"] = Effect.fnUntraced(function* (json, mapping) {
  const { type, data } = yield* decodePart(Event, json)
  if (type === "response.deleted") {
    const { id } = yield* decodePart(DeletedResponse, data)
    return { _tag: "Retractions" as const, externalIds: [id] }
  }
  if (type !== "response.created" && type !== "response.updated") return ignored(`${type} carries no judgement`)
  const response = yield* decodePart(Response, data)
  if (response.status === "discarded") return { _tag: "Retractions" as const, externalIds: [response.id] }
  if (response.status !== "submitted") return ignored(`the response is a ${response.status}`)
  return { _tag: "Comparisons" as const, comparisons: [yield* comparisonOf(response, mapping)] }
})

export const argilla: Connector = {
  source: "argilla",
  verify: (delivery, secrets) => verifyStandardWebhook(delivery, secrets, eventTimes(delivery.rawBody)),
  normalise,
}
