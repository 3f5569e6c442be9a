// Label Studio: annotation events. It does not sign, does not repeat and waits one second, so an answer must come at once.
import { Effect, Schema } from "effect"
import type { WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { verifyStaticSecret } from "../signatures/static-secret.ts"
import { type Connector, decodePart, ignored, judgementOfLabel, readTexts, unusable } from "./Connector.ts"

const DEFAULT_PROMPT = "prompt"

const Id = Schema.Union([Schema.Int, Schema.NonEmptyString])
const Fields = Schema.Record(Schema.String, Schema.Unknown)

const Event = Schema.Struct({ action: Schema.String })

const Result = Schema.Struct({
  type: Schema.String,
  to_name: Schema.optionalKey(Schema.String),
  value: Fields,
})
type Result = typeof Result.Type

const Annotation = Schema.Struct({
  id: Id,
  result: Schema.Array(Result),
  was_cancelled: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  completed_by: Schema.optionalKey(Schema.NullOr(Schema.Union([Id, Schema.Struct({ id: Id })]))),
  updated_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
})
type Annotation = typeof Annotation.Type

const Annotated = Schema.Struct({ annotation: Annotation, task: Schema.Struct({ data: Fields }) })

const Deleted = Schema.Struct({
  annotation: Schema.optionalKey(Schema.Struct({ id: Id })),
  annotations: Schema.optionalKey(Schema.Array(Schema.Struct({ id: Id }))),
})

const namesOf = ({ to_name: names = "" }: Result): string[] => names.split(",").filter((name) => name !== "")

/** Fields that were judged: the mapping's, else those that the results are about, in the form's order. */
const responsesOf = (results: readonly Result[], mapping: WebhookMapping): readonly string[] =>
  mapping.responses ?? [
    ...new Set(results.filter(({ type }) => type === "pairwise" || type === "rating").flatMap(namesOf)),
  ]

const choicesOf = ({ value }: Result): readonly string[] =>
  Array.isArray(value.choices) ? value.choices.filter((choice) => typeof choice === "string") : []

/** A tie said by an extra choice outweighs the side that the pairwise control always has. */
const judgementOf = (
  results: readonly Result[],
  responses: readonly string[],
  labels: WebhookMapping["labels"],
): Comparison["judgement"] | undefined => {
  const chosen = results
    .filter(({ type }) => type === "choices")
    .flatMap(choicesOf)
    .flatMap((choice) => judgementOfLabel(choice, responses, labels) ?? [])
  const tie = chosen.find(({ kind }) => kind === "tie")
  if (tie !== undefined) return tie
  const selected = results.find(({ type }) => type === "pairwise")?.value.selected
  const winner = selected === "left" ? responses[0] : selected === "right" ? responses[1] : undefined
  if (winner !== undefined) return { kind: "choice", winner }
  const scores = Object.fromEntries(
    results
      .filter(({ type }) => type === "rating")
      .flatMap((result) =>
        namesOf(result).flatMap((name): [string, number][] =>
          typeof result.value.rating === "number" ? [[name, result.value.rating]] : [],
        ),
      ),
  )
  return Object.keys(scores).length > 0 ? { kind: "rating", scores } : chosen[0]
}

const annotatorOf = ({ completed_by: by }: Annotation): string | undefined =>
  by === null || by === undefined ? undefined : String(typeof by === "object" ? by.id : by)

const comparisonOf = Effect.fnUntraced(function* (
  { annotation, task: { data } }: typeof Annotated.Type,
  mapping: WebhookMapping,
) {
  const responses = responsesOf(annotation.result, mapping)
  if (responses.length < 2)
    return yield* unusable("The annotation compares nothing; name the compared fields in the mapping's `responses`.")
  const texts = yield* readTexts(data, mapping.prompt ?? DEFAULT_PROMPT, responses)
  const judgement = judgementOf(annotation.result, responses, mapping.labels)
  if (judgement === undefined)
    return yield* unusable(
      "No result can be read as a judgement; use a Pairwise control, ratings of the responses, or say in the mapping's `labels` what each choice means.",
    )
  const annotator = annotatorOf(annotation)
  const task = mapping.task === undefined ? undefined : data[mapping.task]
  return {
    externalId: String(annotation.id),
    ...texts,
    judgement,
    ...(annotator === undefined ? {} : { annotator }),
    ...(typeof task === "string" && task !== "" ? { task } : {}),
    ...(annotation.updated_at ? { labelledAt: annotation.updated_at } : {}),
  } satisfies Comparison
})

const normalise: Connector["normalise"] = Effect.fnUntraced(function* (json, mapping) {
  const { action } = yield* decodePart(Event, json)
  if (action === "ANNOTATION_DELETED" || action === "ANNOTATIONS_DELETED") {
    const { annotation, annotations = [] } = yield* decodePart(Deleted, json)
    const externalIds = [...(annotation === undefined ? [] : [annotation]), ...annotations].map(({ id }) => String(id))
    return { _tag: "Retractions" as const, externalIds }
  }
  if (action !== "ANNOTATION_CREATED" && action !== "ANNOTATION_UPDATED")
    return ignored(`${action} carries no judgement`)
  const annotated = yield* decodePart(Annotated, json)
  if (annotated.annotation.was_cancelled === true) return ignored("the annotation was cancelled")
  return { _tag: "Comparisons" as const, comparisons: [yield* comparisonOf(annotated, mapping)] }
})

export const labelStudio: Connector = {
  source: "label-studio",
  verify: ({ headers }, secrets) => verifyStaticSecret(headers, secrets),
  normalise,
}
