// The native shape and TRL's preference shapes: {prompt, chosen, rejected} as text or chat, and {chosen, rejected} as two whole
// conversations whose shared beginning is the prompt. Implicit prompts in plain text are refused: where one text is the
// beginning of the other, the cut would be a guess.
import { answerTurn, readMessages, readPromptMessages, readTools, splitCommonPrefix } from "./messages.ts"
import {
  type Fields,
  InvalidPreferenceRow,
  readId,
  readString,
  type Shape,
  type StatedPair,
  type Statement,
} from "./record.ts"

/** Columns of public preference sets that say nothing about the texts: scores, models, origins. Read by nobody. */
export const COMPANION_FIELDS: readonly string[] = [
  ...[
    "prompt_id",
    "messages",
    "score_chosen",
    "score_rejected",
    "chosen_score",
    "rejected_score",
    "score_diff",
    "margin",
  ],
  ...["chosen_rating", "rejected_rating", "chosen_avg_rating", "rejected_avg_rating", "chosen_model", "rejected_model"],
  ...["all_generated_responses", "all_rm_scores", "source", "dataset", "subset", "category", "language", "split"],
]

const READS = { "": ["id", "prompt", "chosen", "rejected", "tools"] }

export const trl: Shape = {
  name: "TRL",
  recognises: (fields) => "chosen" in fields || "rejected" in fields,
  reads: READS,
  leaves: COMPANION_FIELDS,
  read: (fields): Statement => {
    requireBoth(fields)
    const id = readId(fields, "id")
    if (typeof fields.chosen === "string") return { pairs: [{ id, ...plainAnswers(fields, fields.chosen) }] }
    const tools = readTools(fields.tools, "tools")
    const chosen = readMessages(fields.chosen, "chosen")
    const rejected = readMessages(fields.rejected, "rejected")
    if (Array.isArray(fields.prompt)) {
      return { pairs: [{ id, prompt: readPromptMessages(fields.prompt, "prompt"), chosen, rejected, tools }] }
    }
    if ("prompt" in fields) throw new InvalidPreferenceRow("prompt", "must be text or a list of messages")
    return { pairs: [{ id, ...splitCommonPrefix(chosen, rejected), tools }] }
  },
}

/** UltraFeedback as binarised: the prompt as text beside two whole conversations. `prompt_id` names the prompt, not the row. */
export const ultraFeedback: Shape = {
  name: "UltraFeedback",
  recognises: (fields) => typeof fields.prompt === "string" && Array.isArray(fields.chosen),
  reads: READS,
  leaves: COMPANION_FIELDS,
  read: (fields): Statement => {
    requireBoth(fields)
    const split = splitCommonPrefix(readMessages(fields.chosen, "chosen"), readMessages(fields.rejected, "rejected"))
    // Of a conversation of several turns, sets name the first or the last; all that is shared is the prompt.
    const turns = [split.prompt.find(({ role }) => role === "user"), split.prompt.at(-1)]
    const asked = (fields.prompt as string).trim()
    if (!turns.some((turn) => turn?.content.trim() === asked)) {
      throw new InvalidPreferenceRow(
        "prompt",
        "is neither the first user message nor the last message that both responses share; correct it",
      )
    }
    return { pairs: [{ id: readId(fields, "id"), ...split, tools: readTools(fields.tools, "tools") }] }
  },
}

/** Two answers as text; to a prompt of messages each is the assistant's turn. */
function plainAnswers(fields: Fields, chosen: string): StatedPair {
  const rejected = readString(fields, "rejected")
  if (!Array.isArray(fields.prompt)) {
    refuseTools(fields)
    return { prompt: readString(fields, "prompt"), chosen, rejected }
  }
  const prompt = readPromptMessages(fields.prompt, "prompt")
  return { prompt, chosen: answerTurn(chosen), rejected: answerTurn(rejected), tools: readTools(fields.tools, "tools") }
}

function requireBoth(fields: Fields): void {
  for (const field of ["chosen", "rejected"]) {
    if (!(field in fields)) throw new InvalidPreferenceRow(field, "is missing; give both responses")
    if (fields[field] === null) throw new InvalidPreferenceRow(field, "is null; give both responses")
  }
}

/** Tools reach a model through its chat template only. */
export function refuseTools(fields: Fields): void {
  if (readTools(fields.tools, "tools") === undefined) return
  throw new InvalidPreferenceRow("tools", "are given beside plain text; write prompt and responses as messages")
}
