// HelpSteer3 (context of messages) and HelpSteer2-preference (prompt as text): two responses and a preference from −3, the first
// much better, to 3. Its size is kept as the pair's strength.
import { STRONGEST_PREFERENCE } from "../Comparison.ts"
import { readPromptMessages } from "./messages.ts"
import { statedPairs } from "./ranked-pairs.ts"
import {
  type Fields,
  InvalidPreferenceRow,
  type Message,
  readId,
  readNumber,
  readString,
  refuseUnknown,
  type Shape,
  type Statement,
} from "./record.ts"

export const helpSteer3: Shape = {
  name: "HelpSteer3",
  recognises: (fields) => "overall_preference" in fields,
  read: (fields) => {
    const known = ["id", "domain", "language", "context", "response1", "response2", "overall_preference"]
    refuseUnknown(fields, [...known, "individual_preference", "split"], "")
    const prompt = readPromptMessages(fields.context, "context")
    return preferred(fields, "overall_preference", prompt, ["response1", "response2"])
  },
}

export const helpSteer2: Shape = {
  name: "HelpSteer2-preference",
  recognises: (fields) => "preference_strength" in fields,
  read: (fields) => {
    const known = ["id", "split", "prompt", "response_1", "response_2", "preference_strength"]
    const unused = ["preference_statement", "preference_elaboration", "three_most_similar_preferences"]
    refuseUnknown(fields, [...known, ...unused, "all_preferences_unprocessed"], "")
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
  const value = readNumber(fields, field)
  if (!Number.isInteger(value) || Math.abs(value) > STRONGEST_PREFERENCE) {
    throw new InvalidPreferenceRow(field, "must be a whole number from -3 (the first is better) to 3")
  }
  const candidates = responses.map((name) => ({
    id: name,
    response: [{ role: "assistant", content: readString(fields, name) }],
  }))
  return statedPairs(readId(fields, "id"), { prompt, candidates, judgement: { kind: "strength", value } })
}
