// The comparison of this project's API (shared/judgement/Comparison.ts): candidates and what a labeller said about them.
import { type Judgement, STRONGEST_PREFERENCE } from "../Comparison.ts"
import type { JudgedCandidate } from "../derive-pairs.ts"
import { readText } from "./messages.ts"
import { statedPairs } from "./ranked-pairs.ts"
import {
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  nameIn,
  readId,
  readNumber,
  readRecords,
  readScore,
  readString,
  readTextOrNothing,
  readTimeOrNothing,
  type Shape,
} from "./record.ts"
import { namesOf } from "./retraction.ts"

export const comparison: Shape = {
  name: "comparison",
  recognises: (fields) => "candidates" in fields && "judgement" in fields,
  reads: {
    "": ["externalId", "prompt", "candidates", "judgement", "annotator", "task", "labelledAt", "metadata"],
    candidates: ["id", "response", "model"],
  },
  names: (fields) =>
    namesOf(nameIn(fields, "externalId"), typeof fields.labelledAt === "string" ? fields.labelledAt : undefined),
  read: (fields) => {
    if (!isRecord(fields.judgement)) throw new InvalidPreferenceRow("judgement", "must be an object with a kind")
    const candidates = readCandidates(fields, fields.judgement.kind === "verdict" ? 1 : 2)
    const names = candidates.map(({ id }) => id)
    const prompt = readText(fields.prompt, "prompt")
    const judgement = readJudgement(fields.judgement, names)
    const [annotator, task] = ["annotator", "task"].map((name) => readTextOrNothing(fields, name))
    const labelledAt = readTimeOrNothing(fields, "labelledAt")
    return statedPairs(readId(fields, "externalId"), { prompt, candidates, judgement }, { annotator, task, labelledAt })
  },
}

function readCandidates(fields: Fields, least: 1 | 2): JudgedCandidate[] {
  const candidates = readRecords(fields, "candidates").map((candidate, index) => {
    const path = `candidates.${index}.`
    return { id: readString(candidate, "id", path), response: readText(candidate.response, `${path}response`) }
  })
  const names = candidates.map(({ id }) => id)
  const twin = names.find((name, index) => names.indexOf(name) !== index)
  if (twin !== undefined) throw new InvalidPreferenceRow("candidates", `have the id ${JSON.stringify(twin)} twice`)
  if (names.length < least)
    throw new InvalidPreferenceRow("candidates", `must be at least ${least === 1 ? "one" : "two"}`)
  return candidates
}

/** The judgement, if it speaks of these candidates. */
function readJudgement(judgement: Fields, names: readonly string[]): Judgement {
  switch (judgement.kind) {
    case "choice": {
      const winner = readString(judgement, "winner", "judgement.")
      requireKnown([winner], names, "judgement.winner")
      return { kind: "choice", winner }
    }
    case "tie": {
      const { quality } = judgement
      if (quality === undefined || quality === null) return { kind: "tie" }
      if (quality === "good" || quality === "bad") return { kind: "tie", quality }
      throw new InvalidPreferenceRow("judgement.quality", "must be good or bad")
    }
    case "ranking":
      return { kind: "ranking", ranks: readPlaces(judgement, "ranks", names) }
    case "rating":
      return { kind: "rating", scores: readPlaces(judgement, "scores", names) }
    case "strength": {
      const value = readNumber(judgement, "value", "judgement.")
      if (names.length === 2 && Number.isInteger(value) && Math.abs(value) <= STRONGEST_PREFERENCE)
        return { kind: "strength", value }
      throw new InvalidPreferenceRow("judgement.value", "must be a whole number from -3 to 3, of two candidates")
    }
    case "verdict": {
      const { value } = judgement
      if (value === "desirable" || value === "undesirable") return { kind: "verdict", value }
      throw new InvalidPreferenceRow("judgement.value", "must be desirable or undesirable")
    }
    default:
      throw new InvalidPreferenceRow("judgement.kind", "must be choice, tie, ranking, rating, strength or verdict")
  }
}

function readPlaces(judgement: Fields, field: string, names: readonly string[]): Readonly<Record<string, number>> {
  const places = judgement[field]
  if (!isRecord(places))
    throw new InvalidPreferenceRow(`judgement.${field}`, "must be an object of numbers by candidate")
  requireKnown(Object.keys(places), names, `judgement.${field}`)
  const path = `judgement.${field}.`
  return Object.fromEntries(
    Object.keys(places).flatMap((name): [string, number][] => {
      const place = readScore(places, name, path)
      return place === undefined ? [] : [[name, place]]
    }),
  )
}

function requireKnown(names: readonly string[], known: readonly string[], path: string): void {
  const stranger = names.find((name) => !known.includes(name))
  if (stranger === undefined) return
  throw new InvalidPreferenceRow(path, `names ${JSON.stringify(stranger)}, which is no candidate's id`)
}
