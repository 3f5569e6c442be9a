// The answered questions of one Argilla response to the answer that is meant.
import type { Judgement } from "../Comparison.ts"
import { type Answer, askedAndFound, meantAnswer, refuseLargeForm } from "./form.ts"
import { comparedOfRated, type Form, inOrder, isPrompt, responseFields, unlikeCompared } from "./form-fields.ts"
import { listed, noJudgement, twiceNamed } from "./form-words.ts"
import { isUnclear, judgementOf, unclearLabels, unknownLabels } from "./labels.ts"
import { isRecord } from "./record.ts"

type Values = readonly (readonly [question: string, value: unknown])[]

/**
 * Texts beside a judgement are comments, and several labels of one question are properties. A list of responses is a ranking only
 * in an export, which writes rankings so, and only where no other question judges. Throws InvalidPreferenceRow.
 */
export function answeredQuestion(values: Values, form: Form, isExport: boolean): Answer {
  const { question, ratings } = form.options
  refuseLargeForm(
    form,
    values.reduce((sum, [, value]) => sum + (Array.isArray(value) ? value.length : 1), 0),
  )
  const none = nothingMeant(values, form)
  if (ratings !== undefined) return meantAnswer(ratingAnswer(values, Object.entries(ratings), form), {}, none)
  const plain = values.flatMap(([name, value]) => plainAnswer(name, value, form))
  const definite = [...plain, ...ratingAnswers(values, form)]
  const lists = isExport ? values.flatMap(([name, value]) => listAnswer(name, value, form)) : []
  const answers = question !== undefined || definite.length === 0 ? [...definite, ...lists] : definite
  // Labels that may be about anything are no answer by themselves; beside one they could be meant as well.
  const isJudged = question !== undefined || answers.length > 0
  return meantAnswer(isJudged ? [...answers, ...unclearAnswers(values, form)] : [], form.options, none)
}

function nothingMeant(values: Values, form: Form) {
  const { options } = form
  const { question, ratings } = options
  const labels = values.flatMap(([name, value]) =>
    typeof value === "string" && ratings === undefined && (question === undefined || question === name) ? [value] : [],
  )
  if (labels.length > 0) return unknownLabels(labels, form)
  const answered = values.filter(([, value]) => value !== undefined && value !== null).map(([name]) => name)
  const found = askedAndFound(options, `the response answers ${listed(answered, "no question")}`)
  return noJudgement(
    `no answered question can be read as a judgement: ${found}; name a ranking or label question in the mapping's \`question\`, a rating question per response in \`ratings\`, or what each label means in \`labels\``,
  )
}

/** A label, or a ranking with its ranks. */
function plainAnswer(name: string, value: unknown, form: Form): Answer[] {
  if (typeof value === "string") {
    const judgement = judgementOf(value, form)
    return judgement === undefined || isUnclearAnswer(name, value, form) ? [] : [{ names: [name], judgement }]
  }
  if (!Array.isArray(value)) return []
  const places = value.flatMap((place): [string, number][] =>
    isRecord(place) && typeof place.value === "string" && Number.isInteger(place.rank)
      ? [[place.value, place.rank as number]]
      : [],
  )
  return places.length === value.length ? rankingAnswer(name, places, form) : []
}

const isUnclearAnswer = (name: string, label: string, form: Form): boolean =>
  isUnclear({ label, judgement: judgementOf(label, form), about: [], isAsked: form.options.question === name }, form)

function unclearAnswers(values: Values, form: Form): Answer[] {
  return values.flatMap(([name, value]): Answer[] =>
    typeof value === "string" && isUnclearAnswer(name, value, form)
      ? [{ names: [name], judgement: { kind: "tie" }, refusal: unclearLabels([value], form) }]
      : [],
  )
}

/** The responses in order, the best first. */
function listAnswer(name: string, value: unknown, form: Form): Answer[] {
  if (!Array.isArray(value) || !value.every((place) => typeof place === "string")) return []
  // Where some are no fields at all, these are several labels.
  if (!value.every((place) => Object.hasOwn(form.fields, place))) return []
  return rankingAnswer(
    name,
    value.map((place, index) => [place, index + 1]),
    form,
  )
}

/** A ranking of other things is none of the responses; one of responses and other things cannot be used. */
function rankingAnswer(name: string, places: readonly [string, number][], form: Form): Answer[] {
  const names = places.map(([response]) => response)
  if (places.length < 2 || !names.some((response) => responseFields(form).includes(response))) return []
  const ranks = Object.fromEntries(places)
  const isTie = new Set(Object.values(ranks)).size === 1
  const judgement: Judgement = isTie ? { kind: "tie" } : { kind: "ranking", ranks }
  const answer: Answer = { names: [name], judgement, compared: inOrder(form, Object.keys(ranks)) }
  const refused = unusableRanking(names, form)
  return [refused === undefined ? answer : { ...answer, refusal: refused }]
}

function unusableRanking(names: readonly string[], form: Form): string | undefined {
  const twice = twiceNamed(names)
  if (twice !== undefined) return `${listed([twice], "")} was ranked twice; rank each response once`
  const prompt = form.options.responses === undefined ? names.find((name) => isPrompt(form, name)) : undefined
  if (prompt === undefined) return unlikeCompared(form, names)
  return `${listed([prompt], "")} was ranked, which is the prompt; rank the responses (${listed(responseFields(form), "")}) alone`
}

interface Criterion {
  /** Of response_a and of response_a_rating, which rate the response as a whole: "". */
  readonly name: string
  /** [response, question] */
  readonly questions: readonly (readonly [string, string])[]
}

/** Numbers about a response, by what they rate: response_a, response_a_rating; helpful_response_a, response_a_helpful. */
function criteriaOf(values: Values, form: Form): readonly Criterion[] {
  // Of fields named a and response_a, the longer name is meant.
  const fields = responseFields(form).toSorted((a, b) => b.length - a.length)
  const rated = values.flatMap(([question, value]) => {
    const field = fields.find((name) => criterionIn(question, name) !== undefined)
    if (typeof value !== "number" || field === undefined) return []
    return [{ question, field, criterion: criterionIn(question, field)! }]
  })
  return [...Map.groupBy(rated, ({ criterion }) => criterion)].map(([name, of]) => ({
    name,
    questions: of.map(({ field, question }) => [field, question] as const),
  }))
}

function criterionIn(question: string, field: string): string | undefined {
  if (question === field) return ""
  const [after] = question.startsWith(field) ? (/(?<=^[-_ ]).+$/.exec(question.slice(field.length)) ?? []) : []
  const [before] = question.endsWith(field) ? (/^.+(?=[-_ ]$)/.exec(question.slice(0, -field.length)) ?? []) : []
  const criterion = after ?? before
  return criterion !== undefined && /^rating$/i.test(criterion) ? "" : criterion
}

/**
 * Ratings of the responses as wholes. Beside them those for single criteria could be meant too, and alone they are only where
 * `question` names one: more of a criterion may be worse.
 */
function ratingAnswers(values: Values, form: Form): Answer[] {
  const criteria = Map.groupBy(criteriaOf(values, form), ({ name }) => (name === "" ? "whole" : "single"))
  const whole = (criteria.get("whole") ?? []).flatMap(({ questions }) => ratingAnswer(values, questions, form))
  if (whole.length === 0 && form.options.question === undefined) return []
  const single = (criteria.get("single") ?? []).flatMap(({ name, questions }) =>
    ratingAnswer(values, questions, form).map((answer) => ({ ...answer, alias: name })),
  )
  return [...whole, ...single]
}

function ratingAnswer(values: Values, questions: readonly (readonly [string, string])[], form: Form): Answer[] {
  const answered = new Map(values)
  const scored = questions.flatMap(([response, name]): { response: string; name: string; score: number }[] => {
    const score = answered.get(name)
    return typeof score === "number" ? [{ response, name, score }] : []
  })
  const all = [...new Set(scored.map(({ response }) => response))]
  const { compared, refusal } = form.options.ratings === undefined ? comparedOfRated(form, all) : { compared: all }
  const rated = scored.filter(({ response }) => compared.includes(response))
  if (compared.length < 2) return []
  const names = rated.map(({ name }) => name).toSorted()
  const scores = Object.fromEntries(rated.map(({ response, score }) => [response, score]))
  const answer: Answer = { names, judgement: { kind: "rating", scores }, compared: inOrder(form, compared) }
  if (refusal !== undefined) return [{ ...answer, refusal }]
  if (compared.length === rated.length) return [answer]
  const refused = `several questions rate one response: ${names.join(", ")}; name one for each response in the mapping's \`ratings\``
  return [{ ...answer, refusal: refused }]
}
