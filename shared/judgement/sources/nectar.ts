// Nectar: a transcript and several answers with ranks, 1 the best. Every two of different rank are a pair.
import { type PlacedCandidate, rankedPairs } from "./ranked-pairs.ts"
import { readId, readRecords, readScore, readString, type Shape } from "./record.ts"

export const nectar: Shape = {
  name: "Nectar",
  recognises: (fields) => "prompt" in fields && Array.isArray(fields.answers),
  reads: { "": ["id", "prompt", "answers"], answers: ["answer", "model", "rank"] },
  leaves: ["turns", "num_responses", "source", "good_natured"],
  read: (fields) => {
    const candidates = readRecords(fields, "answers").flatMap((answer, index): PlacedCandidate[] => {
      const path = `answers.${index}.`
      const rank = readScore(answer, "rank", path)
      if (rank === undefined) return []
      return [{ name: String(index), response: readString(answer, "answer", path), score: -rank }]
    })
    return rankedPairs(readId(fields, "id"), readString(fields, "prompt"), candidates)
  },
}
