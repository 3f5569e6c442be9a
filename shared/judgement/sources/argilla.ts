// Argilla v2: response events (webhooks), and dataset records as its exports and its API have them. Judgements are read from a
// ranking question, a label question whose labels are the responses' field names, or a rating question for each response named
// like its field. What else Argilla sends (metadata, suggestions, vectors) is left alone.
import { type FormJudgement, judgedForm } from "./form-fields.ts"
import {
  dropped,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  readString,
  type Shape,
  type Statement,
} from "./record.ts"

/** A webhook's body: one annotator's response with its record. */
export const argillaEvent: Shape = {
  name: "Argilla event",
  recognises: (fields) => typeof fields.type === "string" && isRecord(fields.data),
  read: (fields) => {
    const [type, data] = [readString(fields, "type"), fields.data as Fields]
    if (type === "response.deleted") return dropped("deleted", "the response was deleted")
    if (type !== "response.created" && type !== "response.updated") {
      return dropped("no-judgement", `${type} carries no judgement`)
    }
    const record = isRecord(data.record) ? data.record.fields : undefined
    if (!isRecord(record)) throw new InvalidPreferenceRow("data.record.fields", "must be an object")
    return answered(readString(data, "id", "data."), data, record, "data.record.fields.")
  },
}

/** A record: `responses` by question as exports have them, or one for each annotator as the API has them. */
export const argillaRecord: Shape = {
  name: "Argilla record",
  recognises: (fields) => isRecord(fields.fields) && "responses" in fields,
  read: ({ fields, responses, id }) => {
    const record = fields as Fields
    const name = typeof id === "string" && id !== "" ? id : undefined
    const all = Array.isArray(responses) ? responses : byAnnotator(responses)
    if (all.length === 0) return dropped("unlabelled", "the record has no responses")
    const statements = all.map((response, index) => {
      if (!isRecord(response)) throw new InvalidPreferenceRow(`responses.${index}`, "must be an object")
      const own = response.id ?? (name === undefined ? undefined : `${name}/${response.user_id ?? index}`)
      return answered(typeof own === "string" ? own : undefined, response, record, "fields.")
    })
    return {
      pairs: statements.flatMap(({ pairs }) => pairs ?? []),
      dropped: statements.flatMap(({ dropped: parts }) => parts ?? []),
    }
  },
}

/** {question: [{value, user_id}]} to one {values, user_id} an annotator. */
function byAnnotator(responses: unknown): Fields[] {
  if (!isRecord(responses))
    throw new InvalidPreferenceRow("responses", "must be a list, or an object of lists by question")
  const users = new Map<string, Record<string, unknown>>()
  for (const [question, answers] of Object.entries(responses)) {
    if (!Array.isArray(answers)) throw new InvalidPreferenceRow(`responses.${question}`, "must be a list")
    for (const answer of answers) {
      if (!isRecord(answer)) throw new InvalidPreferenceRow(`responses.${question}`, "must be a list of objects")
      const user = String(answer.user_id)
      const values = users.get(user) ?? {}
      values[question] = { value: answer.value }
      users.set(user, values)
    }
  }
  return [...users].map(([user, values]) => ({ user_id: user, values }))
}

function answered(id: string | undefined, response: Fields, record: Fields, path: string): Statement {
  const { status } = response
  if (status === "draft") return dropped("draft", "the response is a draft")
  if (status === "discarded") return dropped("discarded", "the response was discarded")
  const values = isRecord(response.values) ? Object.entries(response.values) : []
  const answers = values.map(([question, answer]) => [question, isRecord(answer) ? answer.value : answer] as const)
  const judgement = judgementOf(answers, record)
  if (judgement === undefined) return dropped("no-judgement", "no answered question ranks or labels the responses")
  return judgedForm(id, record, judgement, path)
}

function judgementOf(
  answers: readonly (readonly [question: string, value: unknown])[],
  record: Fields,
): FormJudgement | undefined {
  for (const [, value] of answers) {
    const scores = scoresOfRanking(value)
    if (scores !== undefined) return { kind: "ranking", scores }
  }
  const ratings = answers.flatMap(([question, value]): [string, number][] => {
    const field = question.replace(/^rating[-_ ]|[-_ ]rating$/i, "")
    return typeof value === "number" && Object.hasOwn(record, field) ? [[field, value]] : []
  })
  if (ratings.length > 1) return { kind: "ranking", scores: Object.fromEntries(ratings) }
  const label = answers.find(([, value]) => typeof value === "string")?.[1]
  return typeof label === "string" ? { kind: "label", label } : undefined
}

/** [{value, rank}] with equal ranks for ties, or the fields in order, the best first. */
function scoresOfRanking(value: unknown): Readonly<Record<string, number>> | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined
  const scores = value.flatMap((place, index): [string, number][] => {
    if (typeof place === "string") return [[place, -index]]
    return isRecord(place) && typeof place.value === "string" && typeof place.rank === "number"
      ? [[place.value, -place.rank]]
      : []
  })
  return scores.length === value.length ? Object.fromEntries(scores) : undefined
}
