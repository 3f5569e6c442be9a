// What the tests of shapes share: a record in, rows and reasons out.
import { InvalidPreferenceRow, parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"

export const user = (content: string) => ({ role: "user", content })
export const assistant = (content: string) => ({ role: "assistant", content })

/** Rows of a record given as an object, through its JSON. */
export async function read(record: unknown) {
  const { pairs, unpaired, dropped, unread } = await parsePreferenceRecord(JSON.stringify(record))
  return { pairs, unpaired, reasons: dropped.map(({ reason }) => reason), unread }
}

/** [chosen, rejected] of every pair, chat answers as their last text. */
export async function pairsOf(record: unknown): Promise<[unknown, unknown][]> {
  const text = (part: unknown) => (Array.isArray(part) ? part.at(-1).content : part)
  return (await read(record)).pairs.map(({ chosen, rejected }) => [text(chosen), text(rejected)])
}

/** The error's message, or that of the first judgement that cannot be used. */
export async function faultOf(record: unknown): Promise<string> {
  try {
    const { faults = [] } = await parsePreferenceRecord(JSON.stringify(record))
    if (faults[0] !== undefined) return faults[0].message
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) return error.message
    throw error
  }
  return "no fault"
}
