// Prompts as JSON Lines, {"id", "prompt": text | messages}: each line an id of its own, every fault with its line.

import { PromptReader, type PromptRow } from "#shared/judgement/sources/prompt-suite.ts"
import { InvalidPreferenceRow } from "#shared/judgement/sources/record.ts"
import { InvalidDataFile } from "../errors.ts"
import { sha256 } from "../files.ts"
import { parseLine, readLines } from "./json-lines.ts"

export type { PromptRow }

export interface PromptFile {
  readonly prompts: readonly PromptRow[]
  /** SHA-256 of the file. */
  readonly digest: string
}

/** Reads all prompts. Errors: InvalidDataFile. */
export function readPromptFile(file: string): PromptFile {
  const { lines, bytes } = readLines(file)
  if (lines.length === 0) throw new InvalidDataFile(file, 0, "holds no prompts; give at least one line")
  const reader = new PromptReader()
  const prompts = lines.map((line) => {
    const fields = parseLine(file, line)
    try {
      return reader.read(line.line, fields)
    } catch (error) {
      if (error instanceof InvalidPreferenceRow) throw new InvalidDataFile(file, line.line, error.message)
      throw error
    }
  })
  return { prompts, digest: sha256(bytes) }
}
