// What prompts are compared by where no tokenizer is at hand: the nearest to the canonical form of shared/wire/pair-identity.ts, which
// goes by token ids. Responses are compared by shared/judgement/essence.ts instead: the indentation of their first line is content, while
// a prompt in any white space is on one side of the split.
import type { Text } from "#shared/judgement/sources/record.ts"
import { foldText } from "#shared/wire/pair-identity.ts"

/** The same for a text and for a conversation of it as the only user message. */
export function foldedPrompt(prompt: Text): string {
  if (typeof prompt === "string") return foldText(prompt)
  if (prompt.length === 1 && prompt[0]!.role === "user") return foldText(prompt[0]!.content)
  return JSON.stringify(prompt.map(({ role, content, tool_calls: calls }) => [role, foldText(content), calls]))
}
