// TRL's unpaired shape, as KTO takes it: {prompt, completion, label}, text or chat.
import { answerTurn, readMessages, readPromptMessages, readTools } from "./messages.ts"
import { asWord, dropped, type Fields, InvalidPreferenceRow, readId, readString, type Shape } from "./record.ts"
import { COMPANION_FIELDS, refuseTools } from "./trl.ts"

export const unpaired: Shape = {
  name: "TRL unpaired",
  recognises: (fields) => "completion" in fields && "label" in fields,
  reads: { "": ["id", "prompt", "completion", "label", "tools"] },
  leaves: COMPANION_FIELDS,
  read: (fields) => {
    if (fields.label === null || fields.label === "") return dropped("unlabelled", "the row has no label")
    const [id, label] = [readId(fields, "id"), readLabel(fields)]
    const { completion } = fields
    if (typeof completion === "string" && !Array.isArray(fields.prompt)) {
      refuseTools(fields)
      return { responses: [{ id, label, prompt: readString(fields, "prompt"), completion }] }
    }
    const prompt = readPromptMessages(fields.prompt, "prompt")
    const answer = typeof completion === "string" ? answerTurn(completion) : readMessages(completion, "completion")
    return { responses: [{ id, label, prompt, completion: answer, tools: readTools(fields.tools, "tools") }] }
  },
}

const LABELS: Readonly<Record<string, boolean>> = { true: true, "1": true, false: false, "0": false }

/** true or false; tables of text hold it as text, some writers as 1 and 0. */
function readLabel({ label }: Fields): boolean {
  const word = asWord(label).toLowerCase()
  if (Object.hasOwn(LABELS, word)) return LABELS[word]!
  throw new InvalidPreferenceRow("label", "must be true (wanted) or false")
}
