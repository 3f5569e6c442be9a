// {"input": {"messages", "tools"}, "preferred_output", "non_preferred_output"}, as OpenAI, Azure, Fireworks and Together take it.
import { readMessages, readPromptMessages, readTools } from "./messages.ts"
import { InvalidPreferenceRow, isRecord, readId, type Shape } from "./record.ts"

export const openAi: Shape = {
  name: "OpenAI",
  recognises: (fields) =>
    "preferred_output" in fields || "non_preferred_output" in fields || (isRecord(fields.input) && !("data" in fields)),
  reads: {
    "": ["id", "input", "preferred_output", "non_preferred_output"],
    input: ["messages", "tools", "parallel_tool_calls"],
  },
  read: (fields) => {
    const { input } = fields
    if (!isRecord(input)) throw new InvalidPreferenceRow("input", "must be an object with messages")
    const prompt = readPromptMessages(input.messages, "input.messages")
    const tools = readTools(input.tools, "input.tools")
    const chosen = readMessages(fields.preferred_output, "preferred_output")
    const rejected = readMessages(fields.non_preferred_output, "non_preferred_output")
    return { pairs: [{ id: readId(fields, "id"), prompt, chosen, rejected, tools }] }
  },
}
