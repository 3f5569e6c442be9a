// One annotation by every way in: as a webhook reads it, as a line of a file, inside the tool's export. What each makes of it, in one form.
import { deriveAllPairs, derivePairs } from "#shared/judgement/derive-pairs.ts"
import { InvalidPreferenceRow, parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { withoutUnusable } from "#shared/judgement/sent-comparisons.ts"
import type { FormOptions, Reading } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"

/** Pairs as [chosen, rejected] in order, what was dropped as its reason, or the refusal's words. */
export type Outcome = readonly (readonly [unknown, unknown] | string)[]

const sorted = (pairs: readonly { readonly chosen: unknown; readonly rejected: unknown }[]): Outcome =>
  pairs
    .map(({ chosen, rejected }): [unknown, unknown] => [chosen, rejected])
    .toSorted((a, b) => String(a).localeCompare(String(b)))

const outcomeOf = (reading: Reading): Outcome => {
  if (reading.kind === "refusal") return [reading.refusal.reason ?? reading.refusal.message]
  if (reading.kind !== "comparison") return [reading.reason]
  const derived = deriveAllPairs(reading.comparison)
  return derived.kind === "pairs" ? sorted(derived.pairs) : [derived.cause]
}

/** As the gateway reads a delivery. */
export const byWebhook = (tool: "argilla" | "label-studio", event: unknown, options: FormOptions = {}): Outcome => {
  const read = tool === "argilla" ? readArgillaEvent : readLabelStudioEvent
  return read(JSON.parse(JSON.stringify(event)), options).flatMap(outcomeOf)
}

/** The pairs that the service derives of what a webhook said. */
export const servicePairs = (event: unknown): Outcome =>
  readLabelStudioEvent(JSON.parse(JSON.stringify(event)), {}).flatMap((reading) => {
    const usable = reading.kind === "comparison" ? withoutUnusable(reading.comparison) : undefined
    const derived = usable === undefined ? undefined : derivePairs(usable)
    return derived?.kind === "pairs" ? sorted(derived.pairs) : []
  })

/** As a line of a data file. */
export const byFile = async (record: unknown, options: FormOptions = {}): Promise<Outcome> => {
  try {
    const { pairs, dropped, faults = [] } = await parsePreferenceRecord(JSON.stringify(record), { form: options })
    return [...sorted(pairs), ...dropped.map(({ reason }) => reason), ...faults.map(({ message }) => message)]
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) return [error.message]
    throw error
  }
}

export const labelStudioData = { prompt: "Q?", answer_1: "one", answer_2: "two", answer_3: "three" }

export interface Annotated {
  readonly results: readonly unknown[]
  readonly data?: object
  readonly options?: FormOptions | undefined
}

const annotationOf = ({ results }: Annotated) => ({ id: 7, completed_by: 1, was_cancelled: false, result: results })

export const labelStudioDelivery = (annotated: Annotated) => ({
  action: "ANNOTATION_CREATED",
  annotation: annotationOf(annotated),
  task: { id: 1, data: annotated.data ?? labelStudioData },
  project: { id: 1 },
})

/** A Label Studio annotation by its webhook, by a file of webhooks and by the JSON export. */
export const labelStudioWays = async ({ results, data = labelStudioData, options }: Annotated) => {
  const [annotation, event] = [annotationOf({ results }), labelStudioDelivery({ results, data })]
  const task = { id: 1, data, annotations: [annotation], predictions: [] }
  return {
    webhook: byWebhook("label-studio", event, options),
    file: await byFile(event, options),
    export: await byFile(task, options),
  }
}

export const argillaFields = { prompt: "Q?", response_a: "one", response_b: "two", response_c: "three" }

export interface Answered {
  /** As webhooks and the API write them. */
  readonly values: Readonly<Record<string, unknown>>
  readonly fields?: object
  readonly options?: FormOptions | undefined
}

/** An export writes a ranking as the list of its values, the best first. */
const exported = (value: unknown): unknown =>
  Array.isArray(value) && value.some((place) => typeof place === "object")
    ? value.toSorted((a, b) => a.rank - b.rank).map((place) => place.value)
    : value

/** An Argilla response by its webhook, by a file of webhooks, by a record of the API and by the export. */
export const argillaWays = async ({ values, fields = argillaFields, options }: Answered) => {
  const answers = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]))
  const response = { id: "r1", status: "submitted", values: answers }
  const event = { type: "response.created", data: { ...response, record: { id: "77aa", fields } } }
  const record = { id: "77aa", fields, responses: [{ ...response, user_id: "u1" }] }
  const byQuestion = Object.entries(values).map(([name, value]) => [name, [{ value: exported(value), user_id: "u1" }]])
  return {
    webhook: byWebhook("argilla", event, options),
    file: await byFile(event, options),
    api: await byFile(record, options),
    export: await byFile({ id: "77aa", fields, responses: Object.fromEntries(byQuestion) }, options),
  }
}
