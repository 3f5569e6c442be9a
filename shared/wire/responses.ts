// What models answered, as JSON Lines in the order of the prompts, one file a model: `yohaku generate` writes it, a generate job hands it in.
import { Schema } from "effect"
import { Count } from "#shared/domain/bounds.ts"

export const StoredResponse = Schema.Struct({
  text: Schema.String,
  /** How many tokens were said, the one that ended it among them. */
  tokens: Count,
  finishReason: Schema.Literals(["stop", "length", "stop-string"]),
  /** Nats, of these tokens under the model itself. */
  sumLogProb: Schema.Finite,
})
export type StoredResponse = typeof StoredResponse.Type

export const PromptId = Schema.Union([Schema.String, Schema.Int])
export type PromptId = typeof PromptId.Type

/** The responses to one prompt. */
export const Answers = Schema.Struct({ id: PromptId, responses: Schema.Array(StoredResponse) })
export type Answers = typeof Answers.Type

/** The bytes are no responses; the message says why. */
export class InvalidResponses extends Error {
  readonly _tag = "InvalidResponses"
}

export const responsesLine = (id: PromptId, responses: readonly StoredResponse[]): string =>
  `${JSON.stringify({ id, responses })}\n`

const decodeAnswers = Schema.decodeUnknownSync(Answers)

/** Throws InvalidResponses. */
export const decodeResponses = (bytes: Uint8Array): Answers[] => decodeLines(bytes, decodeAnswers)

/** Objects of JSON Lines, each held to what reads it. Throws InvalidResponses. */
export const decodeLines = <A>(bytes: Uint8Array, decode: (value: unknown) => A): A[] => {
  const lines = new TextDecoder().decode(bytes).split("\n")
  if (lines.at(-1) === "") lines.pop()
  return lines.map((line, index) => {
    try {
      return decode(JSON.parse(line))
    } catch (cause) {
      throw new InvalidResponses(`line ${index + 1} cannot be read: ${(cause as Error).message}`)
    }
  })
}
