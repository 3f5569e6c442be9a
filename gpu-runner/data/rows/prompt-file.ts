// Prompts as JSON Lines, {"id", "prompt": text | messages}: each line an id of its own, every fault with its line.

import { readText } from "#shared/judgement/sources/messages.ts"
import { InvalidPreferenceRow } from "#shared/judgement/sources/record.ts"
import type { Message } from "#shared/tokenisation/tokenisation.ts"
import { InvalidDataFile } from "../errors.ts"
import { sha256 } from "../files.ts"
import { parseLine, readLines } from "./json-lines.ts"

export interface PromptRow {
  /** As it is written: text or a whole number. */
  readonly id: string | number
  /** Counted from 1. */
  readonly line: number
  readonly prompt: string | readonly Message[]
}

export interface PromptFile {
  readonly prompts: readonly PromptRow[]
  /** SHA-256 of the file. */
  readonly digest: string
}

/** Reads all prompts. Errors: InvalidDataFile. */
export function readPromptFile(file: string): PromptFile {
  const { lines, bytes } = readLines(file)
  if (lines.length === 0) throw new InvalidDataFile(file, 0, "holds no prompts; give at least one line")
  const lineOf = new Map<string, number>()
  const prompts = lines.map((line): PromptRow => {
    const { id: given, prompt } = parseLine(file, line)
    const id = idOf(file, line.line, given)
    const earlier = lineOf.get(String(id))
    if (earlier !== undefined) {
      throw new InvalidDataFile(
        file,
        line.line,
        `id ${JSON.stringify(id)} is that of line ${earlier} too; give each prompt its own`,
      )
    }
    lineOf.set(String(id), line.line)
    return { id, line: line.line, prompt: textOf(file, line.line, prompt) }
  })
  return { prompts, digest: sha256(bytes) }
}

function idOf(file: string, line: number, id: unknown): string | number {
  if ((typeof id === "string" && id !== "") || Number.isSafeInteger(id)) return id as string | number
  throw new InvalidDataFile(
    file,
    line,
    `"id" is ${id === undefined ? "missing" : "no text"}; give each prompt a text or a whole number`,
  )
}

function textOf(file: string, line: number, prompt: unknown): string | readonly Message[] {
  try {
    const text = readText(prompt, "prompt")
    if (text.length === 0) throw new InvalidPreferenceRow("prompt", "is empty; give text or at least one message")
    return text
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) throw new InvalidDataFile(file, line, error.message)
    throw error
  }
}
