// An address where a labelling tool delivers, with the mapping of its fields onto a comparison.
import { Schema } from "effect"
import { BOUNDS, nameOf, TimeMs } from "./bounds.ts"

/** Tools whose judgements come by webhook. */
export const LabellingTool = Schema.Literals(["argilla", "label-studio"])
export type LabellingTool = typeof LabellingTool.Type

export const WebhookSource = Schema.Literals([...LabellingTool.literals, "retrain"])
export type WebhookSource = typeof WebhookSource.Type

const Field = nameOf(BOUNDS.identifier)
const fieldsOf = Schema.Record(Schema.String, Field).check(Schema.isMaxProperties(BOUNDS.entries))

/**
 * Which fields and controls of the tool's forms hold what, in deliveries as in files. Every part has a default that fits the tool's
 * own examples.
 */
export const WebhookMapping = Schema.Struct({
  /** Field that holds the prompt. */
  prompt: Schema.optionalKey(Field),
  /** Fields that hold the responses, in the order they are shown; their names are the candidates' ids. One: it is judged by itself. */
  responses: Schema.optionalKey(
    Schema.Array(Field).check(Schema.isMinLength(1), Schema.isMaxLength(BOUNDS.candidates)),
  ),
  /** The question or control (`from_name`) to read, where several could be meant. */
  question: Schema.optionalKey(Field),
  /** Response field -> the rating question or control about it. */
  ratings: Schema.optionalKey(fieldsOf),
  /** A label or choice of the form -> a response field, "tie", "both-good", "both-bad", "desirable" or "undesirable". */
  labels: Schema.optionalKey(fieldsOf),
  /** Field (or Argilla metadata key) that names the task. */
  task: Schema.optionalKey(Field),
}).annotate({ identifier: "WebhookMapping" })
export type WebhookMapping = typeof WebhookMapping.Type

export const WebhookEndpoint = Schema.Struct({
  id: Schema.String,
  datasetId: Schema.String,
  source: WebhookSource,
  mapping: WebhookMapping,
  createdAt: TimeMs,
}).annotate({ identifier: "WebhookEndpoint" })
export type WebhookEndpoint = typeof WebhookEndpoint.Type
