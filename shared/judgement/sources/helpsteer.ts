// HelpSteer3 (context of messages) and HelpSteer2-preference (prompt as text): two responses and a preference from −3, the first
// much better, to 3. Its size is kept as the pair's strength.
import { STRONGEST_PREFERENCE } from "../Comparison.ts"
import { answerTurn, readPromptMessages } from "./messages.ts"
import { statedPairs } from "./ranked-pairs.ts"
import {
  dropped,
  type Fields,
  InvalidPreferenceRow,
  type Message,
  readId,
  readScore,
  readString,
  type Shape,
  type Statement,
} from "./record.ts"

export const helpSteer3: Shape = {
  name: "HelpSteer3",
  // A table leaves out what is null.
  recognises: (fields) =>
    "overall_preference" in fields || ["context", "response1", "response2"].every((name) => name in fields),
  reads: { "": ["id", "context", "response1", "response2", "overall_preference"] },
  leaves: ["domain", "language", "individual_preference", "split"],
  read: (fields) => {
    const prompt = readPromptMessages(fields.context, "context")
    return preferred(fields, "overall_preference", prompt, ["response1", "response2"])
  },
}

const UNUSED = [
  "preference_statement",
  "preference_elaboration",
  "three_most_similar_preferences",
  "all_preferences_unprocessed",
]

export const helpSteer2: Shape = {
  name: "HelpSteer2-preference",
  recognises: (fields) =>
    "preference_strength" in fields || ("response_1" in fields && UNUSED.some((name) => name in fields)),
  reads: { "": ["id", "prompt", "response_1", "response_2", "preference_strength"] },
  leaves: ["split", ...UNUSED],
  read: (fields) => {
    const prompt = [{ role: "user", content: readString(fields, "prompt") }]
    return preferred(fields, "preference_strength", prompt, ["response_1", "response_2"])
  },
}

function preferred(
  fields: Fields,
  field: string,
  prompt: readonly Message[],
  responses: readonly [string, string],
): Statement {
  const value = readScore(fields, field)
  if (value === undefined) return dropped("unlabelled", `the row has no ${field}`)
  if (!Number.isInteger(value) || Math.abs(value) > STRONGEST_PREFERENCE) {
    throw new InvalidPreferenceRow(field, "must be a whole number from -3 (the first is better) to 3")
  }
  const candidates = responses.map((name) => ({
    id: name,
    response: answerTurn(readString(fields, name)),
  }))
  return statedPairs(readId(fields, "id"), { prompt, candidates, judgement: { kind: "strength", value } })
}
