// Nectar: a transcript and several answers with ranks, 1 the best. Every two of different rank are a pair.
import { rankedPairs } from "./ranked-pairs.ts"
import { readId, readNumber, readRecords, readString, refuseUnknown, type Shape } from "./record.ts"

export const nectar: Shape = {
  name: "Nectar",
  recognises: (fields) => "prompt" in fields && Array.isArray(fields.answers),
  read: (fields) => {
    refuseUnknown(fields, ["id", "prompt", "answers", "turns", "num_responses", "source", "good_natured"], "")
    const candidates = readRecords(fields, "answers").map((answer, index) => {
      const path = `answers.${index}.`
      refuseUnknown(answer, ["answer", "model", "rank"], path)
      return {
        name: String(index),
        response: readString(answer, "answer", path),
        score: -readNumber(answer, "rank", path),
      }
    })
    return rankedPairs(readId(fields, "id"), readString(fields, "prompt"), candidates)
  },
}
