// One line of preference data, in any of the accepted shapes, to one typed row.
// Accepted: native and TRL explicit (text or chat), TRL implicit, OpenAI preferred_output, Anthropic HH.

/** A chat message. */
export interface Message {
  readonly role: string
  readonly content: string
}

/** A prompt with two responses: all three plain text, or all three lists of messages. */
export interface PreferenceRow {
  /** the row's own id, else "sha256:" and 64 hex digits of its content */
  readonly id: string
  readonly prompt: string | readonly Message[]
  readonly chosen: string | readonly Message[]
  readonly rejected: string | readonly Message[]
}

/** The line cannot be used; `field` is the path of what is wrong ("" for the whole line) and the message says the mend. */
export class InvalidPreferenceRow extends Error {
  readonly _tag = "InvalidPreferenceRow"
  readonly field: string
  constructor(field: string, message: string) {
    super(message)
    this.field = field
  }
}

/** Parses one JSON line. Rejects with InvalidPreferenceRow. */
export async function parsePreferenceRow(_line: string): Promise<PreferenceRow> {
  throw new Error("unfinished")
}
