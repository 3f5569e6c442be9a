// Label Studio: annotations of its JSON export and of its webhooks, read alike. Judgements are read from <Pairwise>, <Ranker> over a
// <List>, <Rating> of the responses, or <Choices> that name a response or a tie. Regions, predictions and what else the tool
// writes are left alone.
import {
  type AnnotatedComparison,
  asItStands,
  deleted,
  type FormOptions,
  ignored,
  noEventOf,
  type Place,
  type Reading,
  reading,
  refused,
  rowsOf,
  rowsOfEvent,
  takenBack,
} from "./annotation.ts"
import { judged } from "./form.ts"
import { judgedAnswer } from "./label-studio-controls.ts"
import {
  asWord,
  dropped,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  nameIn,
  readId,
  readRecords,
  readTimeOrNothing,
  type Shape,
} from "./record.ts"

export const labelStudioTask: Shape = {
  name: "Label Studio task",
  recognises: (fields) => Array.isArray(fields.annotations) && isRecord(fields.data),
  read: (fields, options) => {
    const annotations = fields.annotations as readonly unknown[]
    if (annotations.length === 0) return dropped("unlabelled", "the task has no annotations")
    const readings = annotations.map((annotation, index) => {
      if (!isRecord(annotation)) return refused(`annotations.${index}`, "must be an object")
      const read = readAnnotation(annotation, fields.data as Fields, options)
      return asItStands(read, nameIn(annotation, "id"), timeIn(annotation))
    })
    return rowsOf(readings)
  },
}

export const labelStudioEvent: Shape = {
  name: "Label Studio event",
  recognises: (fields) => typeof fields.action === "string" && ("annotation" in fields || "annotations" in fields),
  read: (fields, options) => rowsOfEvent(readLabelStudioEvent(fields, options)),
}

/** The body of a webhook, one reading an annotation. Throws InvalidPreferenceRow where it is no event. */
export function readLabelStudioEvent(event: unknown, options: FormOptions): readonly Reading[] {
  if (!isRecord(event) || typeof event.action !== "string") throw noEventOf("Label Studio", "action")
  const { action } = event
  if (DELETIONS.has(action)) return deletionsOf(event)
  const isUpdate = action === "ANNOTATION_UPDATED"
  if (!isUpdate && action !== "ANNOTATION_CREATED" && action !== "ANNOTATIONS_CREATED")
    return [ignored("no-judgement", `${action} carries no judgement`)]
  const annotations = sent(event, "annotation", "annotations")
  if (annotations.length === 0) throw new InvalidPreferenceRow("annotation", "must be an object")
  return annotations.map((annotation) => {
    const externalId = idOf(annotation)
    // Skipped, perhaps after it was submitted: news of it may come in any order, and under either action.
    if (isCancelled(annotation)) return takenBack(externalId, timeIn(annotation), "discarded", CANCELLED)
    // All that was said is gone: what it said before must not go on counting.
    if (isUpdate && isCleared(annotation))
      return takenBack(externalId, timeIn(annotation), "no-judgement", "the annotation was cleared")
    const read = reading(() => {
      const task = taskOf(event, annotation)
      const said = readAnnotation(annotation, dataOf(task), options)
      return said.kind === "comparison" ? { ...said, place: placeOf(event, annotation, task) } : said
    })
    return read.kind === "refusal" ? asItStands(read, externalId, timeIn(annotation)) : read
  })
}

const CANCELLED = "the annotation was cancelled"

/** As tables and other programs write it, too. */
const isCancelled = ({ was_cancelled: said }: Fields): boolean => /^(?:true|1)$/i.test(asWord(said))

function refuseUnclearCancelling({ was_cancelled: said }: Fields): void {
  if (said === undefined || said === null || (typeof said !== "object" && /^(?:false|0|)$/i.test(asWord(said)))) return
  throw new InvalidPreferenceRow("annotation.was_cancelled", "must be true or false")
}

const isCleared = ({ result }: Fields): boolean => Array.isArray(result) && result.length === 0

const DELETIONS: ReadonlySet<string> = new Set([
  "ANNOTATION_DELETED",
  "ANNOTATIONS_DELETED",
  "TASKS_DELETED",
  "PROJECT_DELETED",
])

/** Of a deleted task or project the tool names no annotations. */
function deletionsOf(event: Fields): readonly Reading[] {
  const { action } = event
  const readings =
    action === "PROJECT_DELETED"
      ? sent(event, "project").map((project) => deleted("project", idOf(project, "project"), "its project was deleted"))
      : action === "TASKS_DELETED"
        ? sent(event, "tasks").map((task) => deleted("task", idOf(task, "tasks"), "its task was deleted"))
        : sent(event, "annotation", "annotations").map((annotation) =>
            deleted("annotation", idOf(annotation), "the annotation was deleted"),
          )
  return readings.length === 0 ? [ignored("deleted", "nothing was deleted")] : readings
}

function placeOf(event: Fields, annotation: Fields, task: Fields | undefined): Place {
  const { project } = event
  return {
    task: (task === undefined ? undefined : readId(task, "id")) ?? readId(annotation, "task"),
    project: isRecord(project) ? readId(project, "id") : readId(annotation, "project"),
  }
}

/** One annotation of a task's data, whichever way it came. */
function readAnnotation(annotation: Fields, data: Fields, options: FormOptions): Reading {
  if (isCancelled(annotation)) return ignored("discarded", CANCELLED)
  return reading(() => {
    refuseUnclearCancelling(annotation)
    const form = { fields: data, options }
    const said = judged(form, judgedAnswer(readRecords(annotation, "result", "annotation."), form))
    const task = options.task === undefined ? undefined : data[options.task]
    const comparison: AnnotatedComparison = {
      ...said,
      externalId: readId(annotation, "id"),
      annotator: annotatorOf(annotation),
      task: typeof task === "string" && task !== "" ? task : undefined,
      labelledAt: timeOf(annotation),
    }
    return { kind: "comparison", comparison }
  })
}

/** What the event is about. Without its payload an event does not say what was judged or taken back. */
function sent(event: Fields, ...fields: readonly string[]): readonly Fields[] {
  if (fields.some((field) => event[field] !== undefined && event[field] !== null))
    return fields.flatMap((field) => oneOrMany(event, field))
  throw new InvalidPreferenceRow(fields[0]!, 'is missing; turn on "Send payload" in the webhook\'s settings')
}

/** Events about one annotation hold an object, those about many a list. */
function oneOrMany(event: Fields, field: string): readonly Fields[] {
  const value = event[field]
  if (value === undefined || value === null) return []
  if (isRecord(value)) return [value]
  if (Array.isArray(value)) return readRecords(event, field)
  throw new InvalidPreferenceRow(field, "must be an object")
}

/** The annotation's task: the event's only one, or the one that the annotation names. */
function taskOf(event: Fields, annotation: Fields): Fields | undefined {
  const tasks = [...oneOrMany(event, "task"), ...oneOrMany(event, "tasks")]
  const [only] = tasks
  if (only === undefined) return undefined
  // An id is the same as a number and as text.
  const [named, ids] = [nameIn(annotation, "task"), tasks.map((task) => nameIn(task, "id"))]
  const isMany = tasks.length > 1 || Array.isArray(event.task) || Array.isArray(event.tasks)
  const found = tasks[ids.indexOf(named)]
  if (named !== undefined && found !== undefined) return found
  if (!isMany && (named === undefined || ids[0] === undefined)) return only
  const sentIds = ids.map((id) => id ?? "without an id").join(", ")
  throw new InvalidPreferenceRow(
    "annotation.task",
    `is ${named ?? "missing"}, and the task that came with it is ${sentIds}; send each annotation with its own`,
  )
}

function dataOf(task: Fields | undefined): Fields {
  if (task !== undefined && isRecord(task.data)) return task.data
  throw new InvalidPreferenceRow("task.data", 'must be an object; turn on "Send payload" in the webhook\'s settings')
}

function idOf(thing: Fields, name = "annotation"): string {
  const id = readId(thing, "id")
  if (id !== undefined) return id
  throw new InvalidPreferenceRow(`${name}.id`, "is missing; give text or an integer")
}

function timeOf(annotation: Fields): string | undefined {
  return readTimeOrNothing(annotation, "updated_at", "annotation.")
}

/** As timeOf, of what may hold anything. */
const timeIn = ({ updated_at: time }: Fields): string | undefined => (typeof time === "string" ? time : undefined)

/** A person's id, or the person with an id. */
function annotatorOf({ completed_by: by }: Fields): string | undefined {
  return isRecord(by) ? readId(by, "id") : readId({ completed_by: by }, "completed_by")
}
