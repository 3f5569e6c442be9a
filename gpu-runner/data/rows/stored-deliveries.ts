// Stored bodies of a labelling tool's webhook, in the order they came: what holds in the end. Which judgement of an annotation
// counts, and what a retraction takes back, goes by the tool's own times, as in the gateway (storage/settle-comparisons.ts).
import { findDateFault } from "#shared/judgement/comparison-faults.ts"
import {
  InvalidPreferenceRow,
  type PreferenceRecord,
  parsePreferenceRecord,
  readableFields,
} from "#shared/judgement/preference-rows.ts"
import { type FormOptions, type Reading, rowsOf } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import { type DroppedPart, type Fields, isRecord } from "#shared/judgement/sources/record.ts"
import { type Retraction, saidBefore } from "#shared/judgement/sources/retraction.ts"
import { timeOf as dateOf } from "#shared/judgement/time-of.ts"
import { readRecords } from "./data-records.ts"
import type { Place, StatedRecord } from "./stated-record.ts"

export const DELIVERY_SOURCES = ["label-studio", "argilla"] as const
export type DeliverySource = (typeof DELIVERY_SOURCES)[number]

const LABEL_STUDIO_PARTS = ["annotation", "annotations", "task", "tasks", "project"]

/** Which tool's webhook sends such a body; undefined for a row of any other kind. */
export function deliverySourceOf(fields: Fields): DeliverySource | undefined {
  if (typeof fields.type === "string" && isRecord(fields.data)) return "argilla"
  const isLabelStudio = typeof fields.action === "string" && LABEL_STUDIO_PARTS.some((part) => part in fields)
  return isLabelStudio ? "label-studio" : undefined
}

/** The reading of a source, which counts its rows and those that are bad. */
export interface DeliveryFile {
  readonly files: readonly string[]
  rowCount: number
  readonly refuse: (place: Place, detail: string) => void
}

/** What a body takes back. */
export interface TakenBack {
  /** Of the body that takes it back; counted from 1. */
  readonly row: number
  readonly scope: Exclude<Retraction["scope"], "version">
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
  /** It is counted as bad already; what its annotations said before is over. */
  readonly isRefused: boolean
  readonly said: readonly Said[]
  readonly retractions: readonly Retraction[]
}

/** One judgement of an annotation. */
interface Version extends Said {
  readonly delivery: Delivery
  /** Of the delivery, in the file. */
  readonly order: number
  /** When it was said; of what has no time, the latest time that was heard of by then. */
  readonly time: number
}

/**
 * One record a delivery, with the pairs that hold after the last one. `takenBack` is filled with what each body takes back.
 * Errors: InvalidDataFile.
 */
export async function* readDeliveries(
  file: DeliveryFile,
  source: DeliverySource,
  form: FormOptions,
  takenBack: TakenBack[],
): AsyncGenerator<StatedRecord> {
  const deliveries: Delivery[] = []
  for (const name of file.files) {
    for await (const record of readRecords(name)) {
      const place = { file: name, line: record.line, row: ++file.rowCount }
      try {
        if ("fault" in record) throw new InvalidPreferenceRow("", record.fault)
        const { fields } = readableFields(record.content)
        const { refusal, ...delivery } = await deliveryOf(fields, source, form)
        deliveries.push({ ...place, ...delivery, isRefused: refusal !== undefined })
        if (refusal !== undefined) throw refusal
      } catch (error) {
        if (!(error instanceof InvalidPreferenceRow)) throw error
        file.refuse(place, error.message)
      }
    }
  }
  settle(deliveries, takenBack)
  for (const { file: name, line, row, stated, isRefused } of deliveries) {
    if (!isRefused || (stated.over ?? []).length > 0) yield { file: name, line, row, stated }
  }
}

const NOTHING: PreferenceRecord = { pairs: [], unpaired: [], unread: [], dropped: [] }

/** Throws InvalidPreferenceRow where it is no delivery of the tool. */
async function deliveryOf(fields: Fields, source: DeliverySource, form: FormOptions) {
  const [mark, tool] = source === "argilla" ? ["type", "Argilla"] : ["action", "Label Studio"]
  if (typeof fields[mark] !== "string") {
    throw new InvalidPreferenceRow(
      mark,
      `is missing: this is no delivery of ${tool}'s webhook; leave --source out for an export, and keep stored deliveries in files of their own`,
    )
  }
  const readings = source === "argilla" ? readArgillaEvent(fields, form) : readLabelStudioEvent(fields, form)
  const refused = readings.filter((read) => refusalOf(read) !== undefined)
  const refusal = refusalIn(readings)
  // What cannot be used is still what is said now: it ends what was said before.
  if (refusal !== undefined)
    return { refusal, stated: NOTHING, said: refused.flatMap(saidBy), retractions: readings.flatMap(retractionOf) }
  const said = readings.flatMap(saidBy)
  return { stated: await statedIn(fields, readings, form), said, retractions: readings.flatMap(retractionOf) }
}

/** Why an annotation cannot be used: its reader's reason, or a time that cannot be. */
function refusalOf(read: Reading): InvalidPreferenceRow | undefined {
  if (read.kind === "refusal") return read.refusal
  const labelledAt = read.kind === "comparison" ? read.comparison.labelledAt : undefined
  const fault = labelledAt === undefined ? undefined : findDateFault(labelledAt, Date.now())
  return fault && new InvalidPreferenceRow("", fault.detail)
}

/** A delivery is taken wholly or not at all; of one annotation that is understood but states nothing, the reason is told. */
function refusalIn(readings: readonly Reading[]): InvalidPreferenceRow | undefined {
  const refused = readings.map(refusalOf).filter((refusal) => refusal !== undefined)
  return refused.find(({ reason }) => reason === undefined || readings.length > 1)
}

async function statedIn(fields: Fields, readings: readonly Reading[], form: FormOptions): Promise<PreferenceRecord> {
  const isJudgement = readings.some(({ kind }) => kind === "comparison" || kind === "refusal")
  if (isJudgement) return parsePreferenceRecord(fields, { form })
  return { ...NOTHING, dropped: rowsOf(readings).dropped ?? [] }
}

function saidBy(read: Reading): readonly Said[] {
  if (read.kind === "refusal" && read.replaced !== undefined) {
    const { externalId, at } = read.replaced
    return [{ annotation: externalId, at: timeOf(at) }]
  }
  if (read.kind !== "comparison") return []
  const { externalId, labelledAt } = read.comparison
  return externalId === undefined ? [] : [{ annotation: externalId, ...read.place, at: timeOf(labelledAt) }]
}

const retractionOf = (read: Reading): readonly Retraction[] => (read.kind === "retraction" ? [read.retraction] : [])

function timeOf(text: string | undefined): number | undefined {
  return text === undefined || text === "for-good" || findDateFault(text, Date.now()) !== undefined
    ? undefined
    : dateOf(text)
}

/** By each delivery, the latest time that the tool had named. */
function timesHeard(deliveries: readonly Delivery[]): readonly number[] {
  let latest = Number.NEGATIVE_INFINITY
  return deliveries.map(({ said, retractions }) => {
    const named = [...said.map(({ at }) => at), ...retractions.map(({ at }) => timeOf(at))]
    latest = Math.max(latest, ...named.filter((time) => time !== undefined))
    return latest
  })
}

/** Leaves each annotation its last judgement, and none that was taken back. */
function settle(deliveries: readonly Delivery[], takenBack: TakenBack[]): void {
  const gone = new Map<Delivery, Map<string, DroppedPart>>()
  const leaves = ({ delivery, annotation }: Version, detail: string): void => {
    const before = gone.get(delivery) ?? new Map<string, DroppedPart>()
    if (!before.has(annotation)) before.set(annotation, { reason: "superseded", detail })
    gone.set(delivery, before)
  }
  const heard = timesHeard(deliveries)
  const all = deliveries.flatMap((delivery, order) =>
    delivery.said.map((said): Version => ({ ...said, delivery, order, time: said.at ?? heard[order]! })),
  )
  for (const [order, { row, retractions }] of deliveries.entries()) {
    for (const retraction of retractions) {
      const { scope, externalId } = retraction
      if (scope === "version") continue
      const taken = all.filter((one) => one[scope] === externalId && isTakenBack(one, retraction, order, heard[order]!))
      for (const one of taken) leaves(one, `row ${row} takes back what this ${scope} said`)
      takenBack.push({ row, scope, externalId, rows: [...new Set(taken.map((one) => one.delivery.row))] })
    }
  }
  for (const versions of Map.groupBy(all, ({ annotation }) => annotation).values()) {
    const last = versions.reduce((latest, one) => (isLater(one, latest) ? one : latest))
    for (const one of versions.filter(({ delivery }) => delivery !== last.delivery))
      leaves(one, `row ${last.delivery.row} is a later delivery about the same annotation`)
  }
  for (const [delivery, annotations] of gone) delivery.stated = without(delivery.stated, annotations)
  const isLiving = ({ delivery, annotation }: Version) =>
    !delivery.isRefused && gone.get(delivery)?.has(annotation) !== true
  const living = new Set(all.filter(isLiving).map(({ annotation }) => annotation))
  for (const delivery of deliveries) {
    const over = endedBy(delivery, all).filter(({ externalId }) => !living.has(externalId))
    delivery.stated = { ...delivery.stated, over }
  }
}

/** Annotations that a body leaves nothing of: of a task or project, those that the bodies tell of. */
function endedBy({ retractions, isRefused, said }: Delivery, all: readonly Version[]): readonly Retraction[] {
  const taken = retractions.flatMap((retraction) => {
    const { scope, externalId, at } = retraction
    if (scope === "annotation" || scope === "version") return [retraction]
    const within = new Set(all.filter((one) => one[scope] === externalId).map(({ annotation }) => annotation))
    return [...within].map((annotation): Retraction => ({ scope: "annotation", externalId: annotation, at }))
  })
  const textOf = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString())
  return [...taken, ...(isRefused ? said.map(({ annotation, at }) => saidBefore(annotation, textOf(at))) : [])]
}

/** At one time that the tool gives for both, taking back wins over saying; else what came later. */
function isTakenBack(one: Version, { at }: Retraction, order: number, heardBy: number): boolean {
  if (at === "for-good") return true
  const named = timeOf(at)
  const time = named ?? heardBy
  if (time !== one.time) return time > one.time
  return (named !== undefined && one.at !== undefined) || one.order <= order
}

/** Of two at one time, the one that came later. */
function isLater(one: Version, other: Version): boolean {
  return one.time === other.time ? one.order > other.order : one.time > other.time
}

function without(stated: PreferenceRecord, annotations: ReadonlyMap<string, DroppedPart>): PreferenceRecord {
  const isGone = ({ id }: { readonly id: string }) =>
    [...annotations.keys()].some((annotation) => id === annotation || id.startsWith(`${annotation}/`))
  return {
    ...stated,
    pairs: stated.pairs.filter((pair) => !isGone(pair)),
    unpaired: stated.unpaired.filter((response) => !isGone(response)),
    comparisons: stated.comparisons?.filter(({ id }) => id === undefined || !annotations.has(id)),
    dropped: [...stated.dropped, ...annotations.values()],
  }
}
