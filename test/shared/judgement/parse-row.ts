// What the tests of single rows share.
import {
  InvalidPreferenceRow,
  type PreferenceRow,
  parsePreferenceRecord,
  severalPairs,
  type UnpairedRow,
} from "#shared/judgement/preference-rows.ts"

/**
 * As parsePreferenceRecord, strictly, for a record that states exactly one pair, or a verdict on one response. Rejects with
 * InvalidPreferenceRow where it does not.
 */
export async function parsePreferenceRow(line: string | Uint8Array): Promise<PreferenceRow | UnpairedRow> {
  const { pairs, unpaired: responses, dropped, faults } = await parsePreferenceRecord(line, { strict: true }, 1)
  const [fault] = faults ?? []
  if (fault !== undefined) throw fault
  const [row, ...others] = [...pairs, ...responses]
  if (row !== undefined && others.length === 0 && dropped.length === 0) return row
  const [part] = dropped
  if (row === undefined && part !== undefined) {
    const { field = "", detail, reason } = part
    throw new InvalidPreferenceRow(field, detail, reason)
  }
  throw severalPairs(pairs.length)
}
