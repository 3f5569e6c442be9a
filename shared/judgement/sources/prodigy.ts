// Prodigy's choice interface: a text, options, and the ids of the accepted ones. Each accepted option is preferred to each other.
// What else a task holds (hashes, session, config) is the tool's own and left alone.
import { rankedPairs } from "./ranked-pairs.ts"
import { asWord, dropped, type Fields, InvalidPreferenceRow, readRecords, readString, type Shape } from "./record.ts"
import { namesOf } from "./retraction.ts"

export const prodigy: Shape = {
  name: "Prodigy",
  recognises: (fields) => "options" in fields && ("accept" in fields || "answer" in fields),
  names: (fields) => namesOf(nameOf(fields)),
  read: (fields) => {
    if (fields.answer === "ignore" || fields.answer === "reject") {
      return dropped("discarded", `the annotator's answer is ${fields.answer}`)
    }
    const options = readRecords(fields, "options").map((option, index) => ({
      name: asWord(option.id),
      response: readString(option, "text", `options.${index}.`),
    }))
    const accepted = Array.isArray(fields.accept) ? fields.accept.map(asWord) : []
    const stranger = accepted.find((id) => !options.some(({ name }) => name === id))
    if (stranger !== undefined) {
      throw new InvalidPreferenceRow("accept", `names ${JSON.stringify(stranger)}, which is no option's id`)
    }
    if (accepted.length === 0) return dropped("unlabelled", "no option is accepted")
    const candidates = options.map((option) => ({ ...option, score: accepted.includes(option.name) ? 1 : 0 }))
    return rankedPairs(nameOf(fields), readString(fields, "text"), candidates)
  },
}

/** One task is answered once by each annotator; Prodigy names sessions where it does not know people. */
function nameOf(fields: Fields): string | undefined {
  const { _task_hash: task, _annotator_id: annotator, _session_id: session } = fields
  if (!Number.isSafeInteger(task)) return undefined
  const person = [annotator, session].find((name) => typeof name === "string" && name !== "")
  return person === undefined ? String(task) : `${task}/${person}`
}
