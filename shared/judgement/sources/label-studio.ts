// Label Studio: tasks of its JSON export, each with the annotations of several people, and the body of a webhook. Judgements are
// read from <Pairwise>, <Ranker> over a <List>, <Rating> of the responses, or <Choices> that name a response or a tie.
// Regions, drafts, predictions and what else the tool writes are left alone.
import { type FormJudgement, judgedForm } from "./form-fields.ts"
import {
  dropped,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  readRecords,
  type Shape,
  type Statement,
} from "./record.ts"

export const labelStudioTask: Shape = {
  name: "Label Studio task",
  recognises: (fields) => Array.isArray(fields.annotations) && isRecord(fields.data),
  read: (fields) => {
    const annotations = readRecords(fields, "annotations")
    if (annotations.length === 0) return dropped("unlabelled", "the task has no annotations")
    const statements = annotations.map((annotation) => annotated(annotation, fields.data as Fields, "data."))
    return {
      pairs: statements.flatMap(({ pairs }) => pairs ?? []),
      dropped: statements.flatMap(({ dropped: parts }) => parts ?? []),
    }
  },
}

export const labelStudioEvent: Shape = {
  name: "Label Studio event",
  recognises: (fields) => typeof fields.action === "string" && ("annotation" in fields || "annotations" in fields),
  read: ({ action, annotation, task }) => {
    if (action === "ANNOTATIONS_DELETED" || action === "ANNOTATION_DELETED") {
      return dropped("deleted", "the annotation was deleted")
    }
    if (action !== "ANNOTATION_CREATED" && action !== "ANNOTATION_UPDATED") {
      return dropped("no-judgement", `${action} carries no judgement`)
    }
    if (!isRecord(annotation)) throw new InvalidPreferenceRow("annotation", "must be an object")
    if (!isRecord(task) || !isRecord(task.data)) {
      throw new InvalidPreferenceRow("task.data", "must be an object; let the webhook send the payload")
    }
    return annotated(annotation, task.data, "task.data.")
  },
}

function annotated(annotation: Fields, data: Fields, path: string): Statement {
  if (annotation.was_cancelled === true) return dropped("discarded", "the annotation was cancelled")
  const id =
    Number.isSafeInteger(annotation.id) || typeof annotation.id === "string" ? String(annotation.id) : undefined
  const results = readRecords(annotation, "result", "annotation.")
  const ranked = results.find(({ type }) => type === "ranker")
  if (ranked !== undefined) return rankedList(id, ranked, data, path)
  const judgement = judgementOf(results)
  if (judgement === undefined) return dropped("no-judgement", "no result compares the responses")
  return judgedForm(id, data, judgement, path)
}

/** A tie said by an extra choice outweighs the side that the pairwise control always has. */
function judgementOf(results: readonly Fields[]): FormJudgement | undefined {
  const choices = results.filter(({ type }) => type === "choices").flatMap(({ value }) => textsOf(value, "choices"))
  const pairwise = results.find(({ type }) => type === "pairwise")
  if (pairwise !== undefined) {
    const tie = choices.find((choice) => /^(?:tie|both|equal|neither|bad)/i.test(choice))
    if (tie !== undefined) return { kind: "label", label: tie }
    const [left, right] = namesOf(pairwise)
    const selected = isRecord(pairwise.value) ? pairwise.value.selected : undefined
    if (left === undefined || right === undefined || (selected !== "left" && selected !== "right")) return undefined
    return { kind: "ranking", scores: { [left]: selected === "left" ? 1 : 0, [right]: selected === "left" ? 0 : 1 } }
  }
  const ratings = results.flatMap((result): [string, number][] => {
    const rating = result.type === "rating" && isRecord(result.value) ? result.value.rating : undefined
    return typeof rating === "number" ? namesOf(result).map((name) => [name, rating]) : []
  })
  if (ratings.length > 1) return { kind: "ranking", scores: Object.fromEntries(ratings) }
  return choices[0] === undefined ? undefined : { kind: "label", label: choices[0] }
}

function namesOf({ to_name: names }: Fields): string[] {
  return typeof names === "string" ? names.split(",").filter((name) => name !== "") : []
}

function textsOf(value: unknown, field: string): string[] {
  const list = isRecord(value) ? value[field] : undefined
  return Array.isArray(list) ? list.filter((member) => typeof member === "string") : []
}

/** <Ranker>: ids of the list's items, the best first. Buckets have no order, so only one list of ids is a ranking. */
function rankedList(id: string | undefined, result: Fields, data: Fields, path: string): Statement {
  const ranker = isRecord(result.value) ? result.value.ranker : undefined
  const columns = isRecord(ranker) ? Object.values(ranker) : []
  const order = columns[0]
  if (columns.length !== 1 || !Array.isArray(order)) {
    throw new InvalidPreferenceRow(
      "annotation.result",
      "ranks into buckets, whose order is unknown; use <Ranker> without <Bucket>",
    )
  }
  const items = new Map<string, unknown>()
  for (const list of Object.values(data)) {
    for (const item of Array.isArray(list) ? list : []) {
      if (isRecord(item) && item.id !== undefined) items.set(String(item.id), item.body ?? item.text ?? item.title)
    }
  }
  const names = order.map(String)
  const responses = Object.fromEntries(names.map((name) => [name, items.has(name) ? items.get(name) : data[name]]))
  const missing = names.find((name) => responses[name] === undefined)
  if (missing !== undefined)
    throw new InvalidPreferenceRow(`${path}${missing}`, "was ranked, but the task has no such item")
  const fields = { ...data, ...responses }
  const scores = Object.fromEntries(names.map((name, index) => [name, -index]))
  return judgedForm(id, fields, { kind: "ranking", scores }, path)
}
