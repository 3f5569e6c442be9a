// The results of one Label Studio annotation to the answer that is meant. Every result names its control (`from_name`) and what it is
// about (`to_name`).
import { type Answer, askedAndFound, meantAnswer, refuseLargeForm } from "./form.ts"
import { comparedOfRated, type Form, inOrder, isPrompt, stemOf, unlikeCompared } from "./form-fields.ts"
import { listed, noJudgement, twiceNamed } from "./form-words.ts"
import { gravest, isOfAnything, isUnclear, judgementOf, type Tie, unclearLabels, unknownLabels } from "./labels.ts"
import { asWord, type Fields, type InvalidPreferenceRow, isRecord } from "./record.ts"

const JUDGING = ["pairwise", "rating", "ranker", "choices"]

/** Throws InvalidPreferenceRow where no control, or more than one, could be meant. */
export function judgedAnswer(results: readonly Fields[], form: Form): Answer {
  const labels = results.flatMap(({ value }) => (isRecord(value) && Array.isArray(value.choices) ? value.choices : []))
  refuseLargeForm(form, results.length + labels.length)
  const ratings = ratingAnswers(results, form)
  const choices = results.filter(({ type }) => type === "choices").map((result) => choiceOf(result, form))
  const none = nothingMeant(results, choices, form)
  if (form.options.ratings !== undefined) return meantAnswer(ratings, {}, none)
  const rankings = results.filter(({ type }) => type === "ranker").map((result) => rankerAnswer(result, form))
  const pairwise = results.filter(({ type }) => type === "pairwise").flatMap((result) => pairwiseAnswer(result, form))
  const sides = pairwise.map((answer) => outweighed(answer, choices, form))
  const said = choices.flatMap(({ name, judgement, about, unclear }): Answer[] => {
    if (judgement === undefined || unclear.length > 0) return []
    const [side] = judgement.kind === "tie" ? pairwise : []
    // A tie beside a Pairwise control is about its two, and has been weighed already.
    if (side === undefined) return [{ names: [name], judgement, about }]
    return name === form.options.question ? [{ ...side, names: [name], judgement }] : []
  })
  const answers = [...sides, ...ratings, ...rankings, ...said]
  // What may be about anything is no answer by itself; beside one it could be meant as well. Beside a Pairwise control it has been weighed.
  const isJudged = form.options.question !== undefined || answers.length > 0
  const beside = choices.filter(({ name }) => pairwise.length === 0 || name === form.options.question)
  return meantAnswer(isJudged ? [...answers, ...unclearAnswers(beside, form)] : [], form.options, none)
}

function unclearAnswers(choices: readonly Choice[], form: Form): Answer[] {
  return choices.flatMap(({ name, unclear }): Answer[] =>
    unclear.length === 0 ? [] : [{ names: [name], judgement: { kind: "tie" }, refusal: unclearLabels(unclear, form) }],
  )
}

function nothingMeant(results: readonly Fields[], choices: readonly Choice[], form: Form): InvalidPreferenceRow {
  const { options } = form
  const asked = choices.filter(({ name }) => options.question === undefined || options.question === name)
  const unknown = asked.flatMap(({ unknown: labels }) => labels)
  if (unknown.length > 0) return unknownLabels(unknown, form)
  const compared = askedAndFound(options, `the annotation holds ${listed(results.map(nameOf), "no results")}`)
  return results.some(({ type }) => JUDGING.includes(asWord(type)))
    ? noJudgement(
        `no result can be read as a judgement: ${compared}; name one that is there, use a Pairwise control or ratings of the responses, or say in the mapping's \`labels\` what each choice means`,
      )
    : noJudgement(
        `the annotation compares nothing: ${compared}; name the compared fields in the mapping's \`responses\``,
      )
}

/** What a <Choices> control says. */
interface Choice {
  readonly name: string
  /** The fields that it is about. */
  readonly about: readonly string[]
  readonly labels: readonly string[]
  /** Those that nobody knows the meaning of. */
  readonly unknown: readonly string[]
  /** Those that may be about something else than all responses. */
  readonly unclear: readonly string[]
  readonly judgement: ReturnType<typeof judgementOf>
  /** Every label stands in the mapping. */
  readonly isMapped: boolean
  /** It may be about something else than the preference. */
  readonly isOfAnything: boolean
}

/** One response, or ties. Several responses are acceptable ones, which is no choice between them. */
function choiceOf(result: Fields, form: Form): Choice {
  const list = isRecord(result.value) ? result.value.choices : undefined
  const labels = Array.isArray(list) ? list.filter((label) => typeof label === "string") : []
  const meanings = labels.map((label) => judgementOf(label, form))
  const ties = meanings.flatMap((meaning) => (meaning?.kind === "tie" ? [meaning] : []))
  const isTie = ties.length > 0 && ties.length === meanings.length
  const { labels: mapped = {}, question } = form.options
  const [name, about] = [nameOf(result), targetsOf(result)]
  const isAsked = name === question
  const unclear = labels.filter((label, index) =>
    isUnclear({ label, judgement: meanings[index], about, isAsked }, form),
  )
  return {
    name,
    about,
    labels,
    unknown: labels.filter((label, index) => meanings[index] === undefined || unclear.includes(label)),
    unclear,
    judgement: isTie ? gravest(ties) : meanings.length === 1 ? meanings[0] : undefined,
    isMapped: labels.every((label) => Object.hasOwn(mapped, label)),
    isOfAnything: labels.some((label) => !Object.hasOwn(mapped, label) && isOfAnything(label)),
  }
}

/** Left is the first of the two names. A mapping may say the fields instead, in the order they are shown. */
function pairwiseAnswer(result: Fields, form: Form): Answer[] {
  const { responses } = form.options
  const about = targetsOf(result)
  if (responses === undefined && about.some((name) => isPrompt(form, name))) return []
  const isMapped = responses !== undefined && !about.some((name) => responses.includes(name))
  const names = isMapped ? responses : about
  const [left, right] = names
  const selected = isRecord(result.value) ? result.value.selected : undefined
  if (left === undefined || right === undefined || (selected !== "left" && selected !== "right")) return []
  const winner = selected === "left" ? left : right
  const answer: Answer = { names: [nameOf(result)], judgement: { kind: "choice", winner }, compared: [left, right] }
  const refused = unusableSides(names, form)
  return [refused === undefined ? answer : { ...answer, refusal: refused }]
}

function unusableSides(names: readonly string[], form: Form): string | undefined {
  const { responses = names } = form.options
  if (names.length > 2 || names[0] === names[1])
    return `the Pairwise control compares ${listed(names, "")}, which are not two; name the two in the mapping's \`responses\`, the left one first`
  const stranger = names.find((name) => !responses.includes(name))
  if (stranger === undefined) return unlikeCompared(form, names)
  return `the Pairwise control compares ${listed(names, "")}, and ${listed([stranger], "")} is none of the mapping's \`responses\`: ${listed(responses, "")}; name the two that it compares, the left one first`
}

/**
 * A Pairwise control always has a side, so a tie said by an extra choice outweighs it, and a choice that is not understood may do so.
 * Where `question` names the control, only choices that are mapped count.
 */
function outweighed(answer: Answer, choices: readonly Choice[], { options: { question } }: Form): Answer {
  const isAsked = question !== undefined
  const unclear = choices.flatMap(({ labels, judgement, isOfAnything: mayBeOther }) =>
    judgement === undefined || mayBeOther ? labels : [],
  )
  const counting = choices.filter(({ isMapped }) => isMapped || !isAsked)
  const ties = counting.flatMap(({ judgement }): Tie[] => (judgement?.kind === "tie" ? [judgement] : []))
  if (!isAsked && unclear.length > 0) {
    const refused = `a choice beside the Pairwise control says ${listed(unclear, "nothing")}; say in the mapping's \`labels\` what it means (a response field, tie, both-good or both-bad), or name the control to read in \`question\``
    return { ...answer, refusal: refused }
  }
  return { ...answer, judgement: gravest(ties) ?? answer.judgement }
}

interface Rating {
  readonly name: string
  readonly response: string
  readonly score: number
}

/** Controls named by the mapping, else those whose names differ by their response alone. */
function ratingAnswers(results: readonly Fields[], form: Form): readonly Answer[] {
  const { ratings: wanted } = form.options
  const ratings = results.flatMap((result): Rating[] => {
    const score = result.type === "rating" && isRecord(result.value) ? result.value.rating : undefined
    if (typeof score !== "number") return []
    const responses = targetsOf(result).filter((name) => !isPrompt(form, name))
    return responses.map((response) => ({ name: nameOf(result), response, score }))
  })
  if (wanted === undefined) {
    const groups = [...Map.groupBy(ratings, criterionOf)]
    return groups.flatMap(([criterion, group]) => ratingAnswer(group, criterion, form))
  }
  const named = Object.entries(wanted).flatMap(([response, name]) =>
    ratings.filter((rating) => rating.name === name).map((rating) => ({ ...rating, response })),
  )
  return ratingAnswer(named, "", form)
}

/** helpful_1 and helpful_2 are "helpful", answer_1_style is "style"; a name with neither number nor response has none. */
function criterionOf({ name, response }: Rating): string {
  for (const separator of ["_", "-", " "]) {
    if (name.startsWith(response + separator)) return name.slice(response.length + 1)
    if (name.endsWith(separator + response)) return name.slice(0, -response.length - 1)
  }
  const stem = stemOf(name)
  return stem === name ? "" : stem
}

function ratingAnswer(all: readonly Rating[], criterion: string, form: Form): Answer[] {
  const responses = [...new Set(all.map(({ response }) => response))]
  const isNamed = form.options.ratings !== undefined
  const { compared, refusal } = isNamed ? { compared: responses } : comparedOfRated(form, responses)
  if (compared.length < 2) return []
  const group = all.filter(({ response }) => compared.includes(response))
  const names = [...new Set(group.map(({ name }) => name))].toSorted()
  const scores = Object.fromEntries(group.map(({ response, score }) => [response, score]))
  const answer: Answer = {
    names,
    alias: criterion,
    judgement: { kind: "rating", scores },
    compared: inOrder(form, compared),
  }
  if (refusal !== undefined) return [{ ...answer, refusal }]
  if (compared.length === group.length) return [answer]
  const refused = `several controls rate one response: ${names.join(", ")}; name one for each response in the mapping's \`ratings\``
  return [{ ...answer, refusal: refused }]
}

/** <Ranker>: ids of the list's items, the best first. Buckets have no order, so only one list of ids is a ranking. */
function rankerAnswer(result: Fields, form: Form): Answer {
  const { fields } = form
  const ranker = isRecord(result.value) ? result.value.ranker : undefined
  const columns = isRecord(ranker) ? Object.values(ranker) : []
  const order = columns[0]
  const names = [nameOf(result)]
  if (columns.length !== 1 || !Array.isArray(order)) {
    const refused = "the annotation ranks into buckets, whose order is unknown; use <Ranker> without <Bucket>"
    return { names, judgement: { kind: "tie" }, refusal: refused }
  }
  refuseLargeForm(form, order.length)
  const items = itemsOf(result, fields)
  const ranked = order.map(asWord)
  const ranks = Object.fromEntries(ranked.map((id, index) => [id, index + 1]))
  const places = [...items.keys(), ...Object.keys(fields)]
  const compared = [...new Set(ranked)].toSorted((a, b) => places.indexOf(a) - places.indexOf(b))
  const texts = Object.fromEntries(ranked.flatMap((id) => (items.has(id) ? [[id, items.get(id)![0]]] : [])))
  const answer: Answer = { names, judgement: { kind: "ranking", ranks }, compared, texts }
  const refused = unusableOrder(ranked, items, form)
  return refused === undefined ? answer : { ...answer, refusal: refused }
}

type Items = ReadonlyMap<string, readonly unknown[]>

function unusableOrder(ranked: readonly string[], items: Items, form: Form): string | undefined {
  const { fields } = form
  // Ids are those of items, or all of them name fields.
  const isOfItems = ranked.some((id) => items.has(id))
  const missing = ranked.find((id) => !items.has(id) && (isOfItems || isPrompt(form, id) || !Object.hasOwn(fields, id)))
  if (missing !== undefined) return `${missing} was ranked, but the task has no such item`
  const twice = twiceNamed(ranked)
  if (twice !== undefined) return `${listed([twice], "")} was ranked twice; rank each response once`
  const twin = ranked.find((id) => new Set((items.get(id) ?? []).map((text) => JSON.stringify(text))).size > 1)
  if (twin !== undefined)
    return `${listed([twin], "")} was ranked, and several items of the task have that id; give each item its own id`
  return unlikeCompared(
    form,
    ranked.filter((id) => !items.has(id)),
  )
}

/** The texts of each id: of the list that is ranked, where the control names it, else of all lists. */
function itemsOf(result: Fields, data: Fields): Items {
  const named = targetsOf(result).flatMap((name) => (Object.hasOwn(data, name) ? [data[name]] : []))
  const lists = named.some(Array.isArray) ? named : Object.values(data)
  const items = new Map<string, unknown[]>()
  for (const list of lists) {
    for (const item of Array.isArray(list) ? list : []) {
      if (!isRecord(item) || item.id === undefined) continue
      const id = asWord(item.id)
      const texts = items.get(id) ?? []
      texts.push(item.body ?? item.text ?? item.title)
      items.set(id, texts)
    }
  }
  return items
}

const nameOf = ({ from_name: name, type }: Fields): string => (typeof name === "string" ? name : asWord(type))

const targetsOf = ({ to_name: names }: Fields): string[] =>
  typeof names === "string" ? names.split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()])) : []
