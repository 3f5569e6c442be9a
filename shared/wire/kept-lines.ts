// What a runner keeps of a job at the gateway, as lines of JSON: texts of its own, each in an object. So a text may hold what the gateway's JSON may
// not (a NUL, half a character that a model was cut off in).
import { Schema } from "effect"

const KeptLine = Schema.Struct({ text: Schema.String })
const decode = Schema.decodeUnknownSync(KeptLine)

/** Without a line's end. */
export const keptLine = (text: string): string => JSON.stringify({ text } satisfies typeof KeptLine.Type)

/** Throws where a line is none. */
export const keptTexts = (lines: string): string[] =>
  lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => decode(JSON.parse(line)).text)
