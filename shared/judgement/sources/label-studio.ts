// Label Studio: annotations of its JSON export and of its webhooks, read alike. Judgements are read from <Pairwise>, <Ranker> over a
// <List>, <Rating> of the responses, or <Choices> that name a response or a tie. Regions, predictions and what else the tool
// writes are left alone.
import {
  type AnnotatedComparison,
  type FormOptions,
  ignored,
  type Reading,
  reading,
  retraction,
  rowsOf,
} from "./annotation.ts"
import { judged } from "./form.ts"
import { judgedAnswer } from "./label-studio-controls.ts"
import {
  dropped,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  readId,
  readRecords,
  readTextOrNothing,
  type Shape,
} from "./record.ts"

export const labelStudioTask: Shape = {
  name: "Label Studio task",
  recognises: (fields) => Array.isArray(fields.annotations) && isRecord(fields.data),
  read: (fields, options) => {
    const annotations = readRecords(fields, "annotations")
    if (annotations.length === 0) return dropped("unlabelled", "the task has no annotations")
    return rowsOf(annotations.map((annotation) => readAnnotation(annotation, fields.data as Fields, options)))
  },
}

export const labelStudioEvent: Shape = {
  name: "Label Studio event",
  recognises: (fields) => typeof fields.action === "string" && ("annotation" in fields || "annotations" in fields),
  read: (fields, options) => rowsOf(readLabelStudioEvent(fields, options)),
}

/** The body of a webhook, one reading an annotation. Throws InvalidPreferenceRow where it is no event. */
export function readLabelStudioEvent(event: unknown, options: FormOptions): readonly Reading[] {
  if (!isRecord(event) || typeof event.action !== "string") throw new InvalidPreferenceRow("action", "must be text")
  const { action } = event
  if (action === "ANNOTATION_DELETED" || action === "ANNOTATIONS_DELETED") {
    const deleted = [...oneOrMany(event, "annotation"), ...oneOrMany(event, "annotations")]
    if (deleted.length === 0) return [ignored("deleted", "nothing was deleted")]
    return deleted.map((annotation) => retraction(idOf(annotation), "deleted", "the annotation was deleted"))
  }
  const isUpdate = action === "ANNOTATION_UPDATED"
  if (!isUpdate && action !== "ANNOTATION_CREATED" && action !== "ANNOTATIONS_CREATED")
    return [ignored("no-judgement", `${action} carries no judgement`)]
  const annotations = oneOrMany(event, "annotation")
  if (annotations.length === 0) throw new InvalidPreferenceRow("annotation", "must be an object")
  return annotations.map((annotation) => {
    const externalId = idOf(annotation)
    // Skipped after it was submitted.
    if (isUpdate && annotation.was_cancelled === true) return retraction(externalId, "discarded", CANCELLED)
    return readAnnotation(annotation, dataOf(event, annotation), options)
  })
}

const CANCELLED = "the annotation was cancelled"

/** One annotation of a task's data, whichever way it came. */
function readAnnotation(annotation: Fields, data: Fields, options: FormOptions): Reading {
  if (annotation.was_cancelled === true) return ignored("discarded", CANCELLED)
  return reading(() => {
    const form = { fields: data, options }
    const said = judged(form, judgedAnswer(readRecords(annotation, "result", "annotation."), form))
    const task = options.task === undefined ? undefined : data[options.task]
    const comparison: AnnotatedComparison = {
      ...said,
      externalId: readId(annotation, "id"),
      annotator: annotatorOf(annotation),
      task: typeof task === "string" && task !== "" ? task : undefined,
      labelledAt: readTextOrNothing(annotation, "updated_at", "annotation."),
    }
    return { kind: "comparison", comparison }
  })
}

/** Events about one annotation hold an object, those about many a list. */
function oneOrMany(event: Fields, field: string): readonly Fields[] {
  const value = event[field]
  if (value === undefined || value === null) return []
  if (isRecord(value)) return [value]
  if (Array.isArray(value)) return readRecords(event, field)
  throw new InvalidPreferenceRow(field, "must be an object")
}

/** The data of the annotation's task: the event's only one, or the one that the annotation names. */
function dataOf(event: Fields, annotation: Fields): Fields {
  const tasks = oneOrMany(event, "task")
  const task = Array.isArray(event.task) ? tasks.find(({ id }) => id === annotation.task) : tasks[0]
  if (task !== undefined && isRecord(task.data)) return task.data
  throw new InvalidPreferenceRow("task.data", "must be an object; let the webhook send the payload")
}

function idOf(annotation: Fields): string {
  const id = readId(annotation, "id")
  if (id !== undefined) return id
  throw new InvalidPreferenceRow("annotation.id", "is missing; give text or an integer")
}

/** A person's id, or the person with an id. */
function annotatorOf({ completed_by: by }: Fields): string | undefined {
  return isRecord(by) ? readId(by, "id") : readId({ completed_by: by }, "completed_by")
}
