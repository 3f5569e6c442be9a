// Stored bodies of a labelling tool's webhook, in the order they came: what holds in the end. Which judgement of an annotation
// counts, and what a retraction takes back, goes by the tool's own times, as in the gateway (storage/settle-comparisons.ts).
import {
  InvalidPreferenceRow,
  type PreferenceRecord,
  parsePreferenceRecord,
  readableFields,
} from "#shared/judgement/preference-rows.ts"
import { type FormOptions, type Reading, type Retraction, rowsOf } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import type { DroppedPart, Fields } from "#shared/judgement/sources/record.ts"
import { readRecords } from "./data-records.ts"
import type { DataReadingOptions, Place, PreferenceFile, StatedRecord } from "./preference-file.ts"

export const DELIVERY_SOURCES = ["label-studio", "argilla"] as const
export type DeliverySource = (typeof DELIVERY_SOURCES)[number]

/** What a body takes back. */
export interface TakenBack {
  /** Of the body that takes it back; counted from 1. */
  readonly row: number
  readonly scope: Retraction["scope"]
  /** The tool's id of the annotation, task (record) or project (dataset). */
  readonly externalId: string
  /** Rows of the file whose judgements it takes back. */
  readonly rows: readonly number[]
}

/** What one reading of a body says of an annotation, or takes back. */
interface Said {
  readonly annotation: string
  readonly task?: string | undefined
  readonly project?: string | undefined
  /** When it was said, in milliseconds; undefined where the tool does not say: then the order of the bodies decides. */
  readonly at: number | undefined
}

interface Delivery extends Place {
  stated: PreferenceRecord
  readonly said: readonly Said[]
  readonly retractions: readonly Retraction[]
}

/** One judgement of an annotation. */
interface Version {
  readonly delivery: Delivery
  /** Of the delivery, in the file. */
  readonly order: number
  readonly said: Said
}

/**
 * One record a delivery, with the pairs that hold after the last one. `takenBack` is filled with what each body takes back.
 * Errors: InvalidDataFile.
 */
export async function* readDeliveries(
  file: PreferenceFile,
  source: DeliverySource,
  options: DataReadingOptions,
  takenBack: TakenBack[],
): AsyncGenerator<StatedRecord> {
  const deliveries: Delivery[] = []
  for (const name of file.files) {
    for await (const record of readRecords(name)) {
      const place = { file: name, line: record.line, row: ++file.rowCount }
      try {
        if ("fault" in record) throw new InvalidPreferenceRow("", record.fault)
        const { fields } = readableFields(record.content)
        deliveries.push({ ...place, ...(await deliveryOf(fields, source, options.form ?? {})) })
      } catch (error) {
        if (!(error instanceof InvalidPreferenceRow)) throw error
        file.refuse(place, error.message)
      }
    }
  }
  settle(deliveries, takenBack)
  yield* deliveries
}

/** Throws InvalidPreferenceRow where it is no delivery of the tool, or cannot be used. */
async function deliveryOf(fields: Fields, source: DeliverySource, form: FormOptions) {
  const [mark, tool] = source === "argilla" ? ["type", "Argilla"] : ["action", "Label Studio"]
  if (typeof fields[mark] !== "string") {
    throw new InvalidPreferenceRow(
      mark,
      `is missing: this is no delivery of ${tool}'s webhook; leave --source out for an export`,
    )
  }
  const readings = source === "argilla" ? readArgillaEvent(fields, form) : readLabelStudioEvent(fields, form)
  const isJudgement = readings.some(({ kind }) => kind === "comparison" || kind === "refusal")
  const stated = isJudgement
    ? await parsePreferenceRecord(fields, { form })
    : { pairs: [], unpaired: [], unread: [], dropped: rowsOf(readings).dropped ?? [] }
  return { stated, said: readings.flatMap(saidBy), retractions: readings.flatMap(retractionOf) }
}

function saidBy(read: Reading): readonly Said[] {
  if (read.kind !== "comparison") return []
  const { externalId, labelledAt } = read.comparison
  return externalId === undefined ? [] : [{ annotation: externalId, ...read.place, at: timeOf(labelledAt) }]
}

const retractionOf = (read: Reading): readonly Retraction[] => (read.kind === "retraction" ? [read.retraction] : [])

function timeOf(text: string | undefined): number | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}

/** Leaves each annotation its last judgement, and none that was taken back. */
function settle(deliveries: Delivery[], takenBack: TakenBack[]): void {
  const gone = new Map<Delivery, Map<string, DroppedPart>>()
  const leaves = ({ delivery, said: { annotation } }: Version, detail: string): void => {
    const before = gone.get(delivery) ?? new Map<string, DroppedPart>()
    if (!before.has(annotation)) before.set(annotation, { reason: "superseded", detail })
    gone.set(delivery, before)
  }
  const all: readonly Version[] = deliveries.flatMap((delivery, order) =>
    delivery.said.map((said) => ({ delivery, order, said })),
  )
  for (const [order, { row, retractions }] of deliveries.entries()) {
    for (const { scope, externalId, at } of retractions) {
      const taken = all.filter((one) => one.said[scope] === externalId && isTakenBack(one, at, order))
      for (const one of taken) leaves(one, `row ${row} takes back what this ${scope} said`)
      takenBack.push({ row, scope, externalId, rows: [...new Set(taken.map((one) => one.delivery.row))] })
    }
  }
  for (const versions of Map.groupBy(all, ({ said }) => said.annotation).values()) {
    const last = versions.reduce((latest, one) => (isLater(one, latest) ? one : latest))
    for (const one of versions.filter(({ delivery }) => delivery !== last.delivery))
      leaves(one, `row ${last.delivery.row} is a later delivery about the same annotation`)
  }
  for (const [delivery, annotations] of gone) delivery.stated = without(delivery.stated, annotations)
}

/** At one time, taking back wins over saying. */
function isTakenBack({ order, said }: Version, at: Retraction["at"], retractedInOrder: number): boolean {
  if (at === "for-good") return true
  const time = timeOf(at)
  return time === undefined || said.at === undefined ? order <= retractedInOrder : time >= said.at
}

/** Of two at one time, the one that came later. */
function isLater(one: Version, other: Version): boolean {
  const [time, otherTime] = [one.said.at, other.said.at]
  if (time === undefined || otherTime === undefined || time === otherTime) return one.order > other.order
  return time > otherTime
}

function without(stated: PreferenceRecord, annotations: ReadonlyMap<string, DroppedPart>): PreferenceRecord {
  const isGone = ({ id }: { readonly id: string }) =>
    [...annotations.keys()].some((annotation) => id === annotation || id.startsWith(`${annotation}/`))
  return {
    ...stated,
    pairs: stated.pairs.filter((pair) => !isGone(pair)),
    dropped: [...stated.dropped, ...annotations.values()],
  }
}
