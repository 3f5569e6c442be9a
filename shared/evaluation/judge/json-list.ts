// Objects in a file as a JSON list or as JSON Lines, each without a key that stands twice.
import { findDuplicateKey } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name, and says `shape`. */
export function parsedLines(bytes: Uint8Array, shape: string): readonly unknown[] {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw new UnusableJudgements(`is no text in UTF-8; give ${shape}`)
  }
  if (text.trimStart().startsWith("[")) return parsed(text, "it", shape) as readonly unknown[]
  return text
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [parsed(line, `line ${index + 1}`, shape)]))
}

function parsed(text: string, name: string, shape: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UnusableJudgements(`cannot be read: ${name} is no JSON; give ${shape}`)
  }
  const repeated = findDuplicateKey(text)
  if (repeated !== undefined) throw new UnusableJudgements(`holds "${repeated}" twice in one object; keep one`)
  return value
}
