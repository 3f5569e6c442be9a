// Several responses with one score each, higher is better: {prompt, responses: [text…], scores: [number…]} of this project,
// {prompt, generations, ratings} of Argilla's UltraFeedback, {instruction, completions: [{response, overall_score}…]} of the original.
import { readText } from "./messages.ts"
import { type PlacedCandidate, rankedPairs } from "./ranked-pairs.ts"
import { type Fields, InvalidPreferenceRow, readId, readRecords, readScore, readString, type Shape } from "./record.ts"

const LISTS = [
  ["responses", "scores"],
  ["generations", "ratings"],
] as const

const PROMPTS = ["prompt", "instruction", "input"]

export const ratingList: Shape = {
  name: "rating list",
  recognises: (fields) => LISTS.some(([responses, scores]) => responses in fields && scores in fields),
  reads: { "": ["id", ...PROMPTS, ...LISTS.flat()] },
  leaves: ["models", "model", "source"],
  read: (fields) => {
    const [responses, scores] = LISTS.find(([name]) => name in fields)!
    const prompts = PROMPTS.filter((name) => name in fields)
    if (prompts.length !== 1) {
      throw new InvalidPreferenceRow("prompt", "must be given once, as prompt, instruction or input")
    }
    const prompt = readText(fields[prompts[0]!], prompts[0]!)
    return rankedPairs(readId(fields, "id"), prompt, scored(fields, responses, scores))
  },
}

function scored(fields: Fields, responses: string, scores: string): PlacedCandidate[] {
  const [texts, values] = [fields[responses], fields[scores]]
  if (!Array.isArray(texts) || !Array.isArray(values) || texts.length !== values.length) {
    throw new InvalidPreferenceRow(scores, `must be a list of one number for each of ${responses}`)
  }
  const byIndex = Object.fromEntries(values.entries())
  return texts.flatMap((text, index): PlacedCandidate[] => {
    const score = readScore(byIndex, String(index), `${scores}.`)
    return score === undefined
      ? []
      : [{ name: String(index), response: readText(text, `${responses}.${index}`), score }]
  })
}

export const ultraFeedbackCompletions: Shape = {
  name: "UltraFeedback completions",
  recognises: (fields) => "instruction" in fields && Array.isArray(fields.completions),
  // Critiques, principles and fine-grained annotations stand beside the score; they are another matter.
  reads: { "": ["id", "instruction", "completions"] },
  leaves: ["source", "models", "correct_answers", "incorrect_answers"],
  read: (fields) => {
    const candidates = readRecords(fields, "completions").flatMap((completion, index): PlacedCandidate[] => {
      const path = `completions.${index}.`
      const score = readScore(completion, "overall_score", path)
      if (score === undefined) return []
      return [{ name: String(index), response: readString(completion, "response", path), score }]
    })
    return rankedPairs(readId(fields, "id"), readString(fields, "instruction"), candidates)
  },
}
