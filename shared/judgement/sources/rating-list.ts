// Several responses with one score each, higher is better: {prompt, responses: [text…], scores: [number…]} of this project,
// {prompt, generations, ratings} of Argilla's UltraFeedback, {instruction, completions: [{response, overall_score}…]} of the original.
import { readText } from "./messages.ts"
import { type PlacedCandidate, rankedPairs } from "./ranked-pairs.ts"
import {
  type Fields,
  InvalidPreferenceRow,
  readId,
  readNumber,
  readRecords,
  readString,
  refuseUnknown,
  type Shape,
} from "./record.ts"

const LISTS = [
  ["responses", "scores"],
  ["generations", "ratings"],
] as const

export const ratingList: Shape = {
  name: "rating list",
  recognises: (fields) => LISTS.some(([responses, scores]) => responses in fields && scores in fields),
  read: (fields) => {
    const [responses, scores] = LISTS.find(([name]) => name in fields)!
    const prompts = ["prompt", "instruction", "input"].filter((name) => name in fields)
    if (prompts.length !== 1) {
      throw new InvalidPreferenceRow("prompt", "must be given once, as prompt, instruction or input")
    }
    refuseUnknown(fields, ["id", prompts[0]!, responses, scores, "models", "model", "source"], "")
    const prompt = readText(fields[prompts[0]!], prompts[0]!)
    return rankedPairs(readId(fields, "id"), prompt, scored(fields, responses, scores))
  },
}

function scored(fields: Fields, responses: string, scores: string): PlacedCandidate[] {
  const [texts, values] = [fields[responses], fields[scores]]
  if (!Array.isArray(texts) || !Array.isArray(values) || texts.length !== values.length) {
    throw new InvalidPreferenceRow(scores, `must be a list of one number for each of ${responses}`)
  }
  // A response without a score was not judged.
  return texts.flatMap((text, index) =>
    values[index] === null
      ? []
      : {
          name: String(index),
          response: readText(text, `${responses}.${index}`),
          score: readNumber(Object.fromEntries(values.entries()), String(index), `${scores}.`),
        },
  )
}

export const ultraFeedbackCompletions: Shape = {
  name: "UltraFeedback completions",
  recognises: (fields) => "instruction" in fields && Array.isArray(fields.completions),
  read: (fields) => {
    refuseUnknown(
      fields,
      ["id", "source", "instruction", "models", "completions", "correct_answers", "incorrect_answers"],
      "",
    )
    // Critiques, principles and fine-grained annotations stand beside the score; they are another matter.
    const candidates = readRecords(fields, "completions").map((completion, index) => ({
      name: String(index),
      response: readString(completion, "response", `completions.${index}.`),
      score: readNumber(completion, "overall_score", `completions.${index}.`),
    }))
    return rankedPairs(readId(fields, "id"), readString(fields, "instruction"), candidates)
  },
}
