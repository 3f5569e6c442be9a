// Anthropic HH: one transcript a response. Each is split at its last "\n\nAssistant:", which stays with the prompt.
import { InvalidPreferenceRow, readId, readString, type Shape } from "./record.ts"

const MARKER = "\n\nAssistant:"

export const anthropicHh: Shape = {
  name: "Anthropic HH",
  recognises: (fields) => typeof fields.chosen === "string" && "rejected" in fields && !("prompt" in fields),
  reads: { "": ["id", "chosen", "rejected"] },
  read: (fields) => {
    const [prompt, chosen] = split(readString(fields, "chosen"), "chosen")
    const [otherPrompt, rejected] = split(readString(fields, "rejected"), "rejected")
    if (prompt !== otherPrompt) {
      // Real sets have such rows, so one of them must not stop a run.
      const fault = "has another conversation before its last answer than chosen; drop the row"
      throw new InvalidPreferenceRow("rejected", fault, "several-turns")
    }
    return { pairs: [{ id: readId(fields, "id"), prompt, chosen, rejected }] }
  },
}

function split(transcript: string, field: string): readonly [prompt: string, response: string] {
  const at = transcript.lastIndexOf(MARKER) + MARKER.length
  if (at >= MARKER.length) return [transcript.slice(0, at), transcript.slice(at)]
  throw new InvalidPreferenceRow(
    field,
    'has no prompt beside it and no "\\n\\nAssistant:" inside; give "prompt", or transcripts as Anthropic HH has them',
  )
}
