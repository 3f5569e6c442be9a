// Argilla's flat export (`to_datasets`, `push_to_hub`): a column for each field, and for each question `q.responses`, `.users` and
// `.status`, lists of one length. It is put back into the nested record that argilla.ts reads.
import { argillaRecord } from "./argilla.ts"
import { isMessageLike } from "./messages.ts"
import { type Fields, InvalidPreferenceRow, type Shape } from "./record.ts"

const RESPONSES = ".responses"
const OWN = ["id", "status", "_server_id", "inserted_at", "updated_at"]

const questionsOf = (fields: Fields): readonly string[] =>
  Object.keys(fields).flatMap((name) => (name.endsWith(RESPONSES) ? [name.slice(0, -RESPONSES.length)] : []))

export const argillaExport: Shape = {
  name: "Argilla flat export",
  recognises: (fields) =>
    Object.keys(fields).some((name) => /.\.(?:responses|suggestion)$/.test(name)) &&
    ("_server_id" in fields || "status" in fields),
  read: (record, options) => {
    const names = Object.keys(record).flatMap((name) => /^(.+)\.(?:responses|suggestion)$/.exec(name)?.[1] ?? [])
    const isQuestion = (name: string) => names.some((question) => name.startsWith(`${question}.`))
    const columns = Object.entries(record).filter(([name]) => !OWN.includes(name) && !isQuestion(name))
    // Metadata and vectors are columns as well; only texts and messages are fields.
    const isText = (value: unknown) => typeof value === "string" || (Array.isArray(value) && value.every(isMessageLike))
    const fields = Object.fromEntries(columns.filter(([, value]) => isText(value)))
    const answered = questionsOf(record).map((question) => [question, answersOf(record, question)])
    const nested = {
      id: record.id,
      fields,
      metadata: Object.fromEntries(columns),
      responses: Object.fromEntries(answered),
    }
    return argillaRecord.read(nested, options)
  },
}

/** [{value, user_id, status}]; a question that nobody answered is null. */
function answersOf(record: Fields, question: string): readonly Fields[] {
  const list = (suffix: string) => {
    const value = record[`${question}${RESPONSES}${suffix}`]
    return value === undefined || value === null || value === "" ? undefined : value
  }
  const values = list("")
  if (values === undefined) return []
  if (!Array.isArray(values)) throw new InvalidPreferenceRow(`${question}${RESPONSES}`, "must be a list")
  const [users, statuses] = [list(".users"), list(".status")]
  for (const [suffix, companion] of Object.entries({ users, status: statuses })) {
    if (companion === undefined || (Array.isArray(companion) && companion.length === values.length)) continue
    throw new InvalidPreferenceRow(
      `${question}${RESPONSES}.${suffix}`,
      `must be a list as long as ${question}${RESPONSES}`,
    )
  }
  return values.map((value, index) => ({
    value,
    ...(Array.isArray(users) ? { user_id: users[index] } : {}),
    ...(Array.isArray(statuses) ? { status: statuses[index] } : {}),
  }))
}
