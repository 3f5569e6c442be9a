// Stored bodies of a labelling tool's webhook, in the order they came: what holds in the end. A later delivery about an annotation takes
// the place of what was said of it before.
import {
  InvalidPreferenceRow,
  type PreferenceRecord,
  parsePreferenceRecord,
  readableFields,
} from "#shared/judgement/preference-rows.ts"
import { asWord, type Fields, isRecord } from "#shared/judgement/sources/record.ts"
import { readRecords } from "./data-records.ts"
import type { DataReadingOptions, Place, PreferenceFile, StatedRecord } from "./preference-file.ts"

export const DELIVERY_SOURCES = ["label-studio", "argilla"] as const
export type DeliverySource = (typeof DELIVERY_SOURCES)[number]

interface Delivery extends Place {
  readonly stated: PreferenceRecord
}

/** One record a delivery, with the pairs that no later one took back. Errors: InvalidDataFile. */
export async function* readDeliveries(
  file: PreferenceFile,
  source: DeliverySource,
  options: DataReadingOptions,
): AsyncGenerator<StatedRecord> {
  const deliveries: Delivery[] = []
  for (const name of file.files) {
    for await (const record of readRecords(name)) {
      const place = { file: name, line: record.line, row: ++file.rowCount }
      try {
        if ("fault" in record) throw new InvalidPreferenceRow("", record.fault)
        const { fields } = readableFields(record.content)
        const ids = annotationsOf(fields, source)
        const stated = await parsePreferenceRecord(fields, { form: options.form })
        for (const [at, earlier] of deliveries.entries()) deliveries[at] = without(earlier, ids, place)
        deliveries.push({ ...place, stated })
      } catch (error) {
        if (!(error instanceof InvalidPreferenceRow)) throw error
        file.refuse(place, error.message)
      }
    }
  }
  yield* deliveries
}

/** Ids of the annotations that a delivery is about. Throws InvalidPreferenceRow where it is no delivery of the tool. */
function annotationsOf(fields: Fields, source: DeliverySource): readonly string[] {
  const [mark, tool] = source === "argilla" ? ["type", "Argilla"] : ["action", "Label Studio"]
  if (typeof fields[mark] !== "string") {
    throw new InvalidPreferenceRow(
      mark,
      `is missing: this is no delivery of ${tool}'s webhook; leave --source out for an export`,
    )
  }
  const about = source === "argilla" ? [fields.data] : [fields.annotation, fields.annotations].flat()
  return about.flatMap((annotation) =>
    isRecord(annotation) && annotation.id !== undefined ? [asWord(annotation.id)] : [],
  )
}

/** A delivery without the pairs of these annotations, which a later one speaks of. */
function without(delivery: Delivery, ids: readonly string[], { row }: Place): Delivery {
  const { pairs } = delivery.stated
  const isOf = (pairId: string) => ids.some((id) => pairId === id || pairId.startsWith(`${id}/`))
  const kept = pairs.filter(({ id }) => !isOf(id))
  if (kept.length === pairs.length) return delivery
  const part = { reason: "superseded" as const, detail: `row ${row} is a later delivery about the same annotation` }
  return { ...delivery, stated: { ...delivery.stated, pairs: kept, dropped: [...delivery.stated.dropped, part] } }
}
