// The comparison of this project's API (shared/judgement/Comparison.ts): candidates and what a labeller said about them.
import { readText } from "./messages.ts"
import { rankedPairs } from "./ranked-pairs.ts"
import {
  dropped,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  readId,
  readNumber,
  readRecords,
  readString,
  refuseUnknown,
  type Shape,
  STRONGEST_PREFERENCE,
  type Statement,
  type Text,
} from "./record.ts"

interface Candidate {
  readonly name: string
  readonly response: Text
}

export const comparison: Shape = {
  name: "comparison",
  recognises: (fields) => "candidates" in fields && "judgement" in fields,
  read: (fields) => {
    const known = ["externalId", "prompt", "candidates", "judgement", "annotator", "task", "labelledAt", "metadata"]
    refuseUnknown(fields, known, "")
    const candidates = readCandidates(fields)
    if (!isRecord(fields.judgement)) throw new InvalidPreferenceRow("judgement", "must be an object with a kind")
    return judged(readId(fields, "externalId"), readText(fields.prompt, "prompt"), candidates, fields.judgement)
  },
}

function readCandidates(fields: Fields): Candidate[] {
  const candidates = readRecords(fields, "candidates").map((candidate, index) => {
    const path = `candidates.${index}.`
    refuseUnknown(candidate, ["id", "response", "model"], path)
    return { name: readString(candidate, "id", path), response: readText(candidate.response, `${path}response`) }
  })
  const names = candidates.map(({ name }) => name)
  const twin = names.find((name, index) => names.indexOf(name) !== index)
  if (twin !== undefined) throw new InvalidPreferenceRow("candidates", `have the id ${JSON.stringify(twin)} twice`)
  if (names.length < 2) throw new InvalidPreferenceRow("candidates", "must be at least two")
  return candidates
}

function judged(id: string | undefined, prompt: Text, candidates: readonly Candidate[], judgement: Fields): Statement {
  const placed = (scoreOf: (name: string) => number | undefined) => {
    const known = candidates.flatMap((candidate) => {
      const score = scoreOf(candidate.name)
      return score === undefined ? [] : { ...candidate, score }
    })
    return rankedPairs(id, prompt, known)
  }
  switch (judgement.kind) {
    case "choice": {
      const winner = readString(judgement, "winner", "judgement.")
      requireKnown([winner], candidates, "judgement.winner")
      return placed((name) => (name === winner ? 1 : 0))
    }
    case "tie":
      return judgement.quality === "bad"
        ? dropped("bad-quality", "all candidates were judged bad")
        : dropped("tie", "all candidates were judged alike")
    case "ranking":
      return placed(placesOf(judgement, "ranks", candidates, -1))
    case "rating":
      return placed(placesOf(judgement, "scores", candidates, 1))
    case "strength":
      return strength(id, prompt, candidates, readNumber(judgement, "value", "judgement."))
    default:
      throw new InvalidPreferenceRow("judgement.kind", "must be choice, tie, ranking, rating or strength")
  }
}

function placesOf(judgement: Fields, field: string, candidates: readonly Candidate[], sign: 1 | -1) {
  const places = judgement[field]
  if (!isRecord(places))
    throw new InvalidPreferenceRow(`judgement.${field}`, "must be an object of numbers by candidate")
  requireKnown(Object.keys(places), candidates, `judgement.${field}`)
  return (name: string) =>
    Object.hasOwn(places, name) ? sign * readNumber(places, name, `judgement.${field}.`) : undefined
}

function requireKnown(names: readonly string[], candidates: readonly Candidate[], path: string): void {
  const stranger = names.find((name) => !candidates.some((candidate) => candidate.name === name))
  if (stranger === undefined) return
  throw new InvalidPreferenceRow(path, `names ${JSON.stringify(stranger)}, which is no candidate's id`)
}

/** Negative: the first is better. */
function strength(id: string | undefined, prompt: Text, candidates: readonly Candidate[], value: number): Statement {
  const [first, second] = candidates
  if (candidates.length !== 2 || !Number.isInteger(value) || Math.abs(value) > STRONGEST_PREFERENCE) {
    throw new InvalidPreferenceRow("judgement.value", "must be a whole number from -3 to 3, of two candidates")
  }
  if (value === 0) return dropped("tie", "neither candidate is preferred")
  const [chosen, rejected] = value < 0 ? [first!, second!] : [second!, first!]
  const [better, worse] = [chosen.response, rejected.response]
  return { pairs: [{ id, prompt, chosen: better, rejected: worse, strength: Math.abs(value) }] }
}
