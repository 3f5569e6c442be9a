// From a judge's answers to the rows that a suite counts: pure, so that a run that goes on, one that is computed again and one that is judged again
// say the same.
import { DRAW, preferenceOf } from "../alpaca-eval/annotation.ts"
import { playOf } from "../arena-hard/verdict.ts"
import { decisionOf } from "../calibration/calibrate.ts"
import type { AskedPair, GivenVerdict } from "./asked-run.ts"
import type { JudgeAnswer } from "./judge-answer.ts"
import type { JudgeProtocol, ReadAnswer } from "./protocol.ts"

/** Answers by the name of their question. */
export interface AnswerBook {
  readonly answerTo: (key: string) => JudgeAnswer | "refused" | undefined
  /** The question that was asked because this one's answer named no verdict. */
  readonly followUpOf: (key: string) => string | undefined
}

const NOTHING: ReadAnswer = { shareOfFirst: undefined }

/** What a question's answer says; where it ended without a verdict, what the judge said then. */
export function heard(protocol: JudgeProtocol, key: string, { answerTo, followUpOf }: AnswerBook): ReadAnswer {
  const answer = answerTo(key)
  if (answer === undefined || answer === "refused") return NOTHING
  const read = protocol.read(answer)
  const next = read.endedWithout && protocol.goOn !== undefined ? followUpOf(key) : undefined
  const later = next === undefined ? undefined : answerTo(next)
  return later === undefined || later === "refused" ? read : protocol.read(later)
}

/** For each order how far the model's answer is preferred, from 0 to 1. */
function sharesOf(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): readonly (number | undefined)[] {
  return pair.questions.map(({ key, isSwapped }) => {
    const { shareOfFirst } = heard(protocol, key, book)
    return shareOfFirst === undefined || isSwapped ? shareOfFirst : 1 - shareOfFirst
  })
}

/** The verdict of another judge that counts for a pair. */
export function givenVerdict({ given, isAudited, questions }: AskedPair): GivenVerdict | undefined {
  return isAudited || questions.length === 0 ? given : undefined
}

/** How far the model's answer is preferred, from 0 to 1; two orders that disagree are a tie. Undefined where an order has no verdict. */
export function pairValue(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): number | undefined {
  const given = givenVerdict(pair)
  return given === undefined ? askedValue(pair, protocol, book) : (given.value ?? undefined)
}

/** The same by what this run's judge answered, whatever was given. */
export function askedValue(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): number | undefined {
  if (pair.questions.length === 0) return 0.5
  if (protocol.name.startsWith("arena-hard")) return valueOfGames(pair, protocol, book)
  const shares = sharesOf(pair, protocol, book)
  const [one, other] = shares
  if (shares.length === 1 || one === undefined) return one
  return other === undefined ? undefined : decisionOf([one, other])
}

/** Whether the two orders prefer different answers. */
export function isContradicted(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): boolean {
  const [one, other] = sharesOf(pair, protocol, book)
  return one !== undefined && other !== undefined && (one - 0.5) * (other - 0.5) < 0
}

/** A strong verdict counts thrice. */
function valueOfGames(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): number | undefined {
  let [score, weight] = [0, 0]
  for (const { key, isSwapped } of pair.questions) {
    const { label } = heard(protocol, key, book)
    if (label === undefined) return undefined
    const play = playOf(label, Number(isSwapped))
    score += play.weight * play.score
    weight += play.weight
  }
  return score / weight
}

/** A row of AlpacaEval's annotations. */
export function annotationRow(pair: AskedPair, index: number, protocol: JudgeProtocol, book: AnswerBook): object {
  const row = { i: index, len1: pair.baselineLength, len2: pair.modelLength }
  const given = givenVerdict(pair)
  if (given !== undefined) return { ...row, ...givenPart(given), ...auditPart(pair, protocol, book) }
  const [question] = pair.questions
  if (question === undefined) return { ...row, pref: DRAW }
  if (pair.questions.length > 1) {
    const value = pairValue(pair, protocol, book)
    const orders = sharesOf(pair, protocol, book).map((share) => (share === undefined ? null : 1 + share))
    return { ...row, pref: value === undefined ? null : 1 + value, orders }
  }
  const answer = book.answerTo(question.key)
  if (answer === undefined || answer === "refused" || answer.verdict === undefined) return { ...row, pref: null }
  const verdict = { ...answer.verdict, isSwapped: question.isSwapped }
  return {
    ...row,
    pref: preferenceOf(verdict) ?? null,
    lp_m: verdict.first,
    lp_M: verdict.second,
    swapped: verdict.isSwapped,
  }
}

const preferenceOrNull = (value: number | null | undefined) =>
  value === null || value === undefined ? null : 1 + value

const givenPart = ({ judge, value, scores }: GivenVerdict) => ({
  pref: preferenceOrNull(value),
  ...(judge !== undefined && { judge }),
  ...(scores !== undefined && { scores }),
})

const auditPart = (pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook) =>
  pair.isAudited ? { audit: preferenceOrNull(askedValue(pair, protocol, book)) } : {}

/** A pair of the file of votes that a judge is measured by; undefined where an order has no verdict. */
export function votedRow(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): object | undefined {
  const { given } = pair
  // A number knows no places.
  const judged =
    given === undefined ? sharesOf(pair, protocol, book) : [given.value ?? undefined, given.value ?? undefined]
  if (judged.length < 2 || judged.some((share) => share === undefined)) return undefined
  return { votes: pair.votes, judged, len: [pair.baselineLength, pair.modelLength], lists: pair.listItems }
}

/** The labels of a pair's games; none of equal answers. */
export function gamesOf(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): readonly (string | null)[] {
  const given = givenVerdict(pair)
  return given?.games ?? pair.questions.map(({ key }) => heard(protocol, key, book).label ?? null)
}

/** A row of Arena-Hard's games. Equal answers are ties. */
export function gamesRow(pair: AskedPair, protocol: JudgeProtocol, book: AnswerBook): object {
  const labels = gamesOf(pair, protocol, book)
  const judge = givenVerdict(pair)?.judge
  return { q: pair.id, g: labels.length === 0 ? ["A=B", "A=B"] : labels, ...(judge !== undefined && { judge }) }
}
