// Lines of a JSON Lines file as bytes, so that broken UTF-8 is noticed and not replaced. Blank lines are skipped.
import { existsSync, statSync } from "node:fs"
import { readJsonObject } from "#shared/formats/json-object.ts"
import { parseRow } from "#shared/tokenisation/exact-json.ts"
import { InvalidDataFile } from "../errors.ts"
import { readWholeFile } from "../files.ts"

export interface JsonLine {
  /** Counted from 1. */
  readonly line: number
  readonly bytes: Uint8Array
}

/** Reads the file. Errors: InvalidDataFile when there is none. */
export function readLines(file: string): { readonly lines: JsonLine[]; readonly bytes: Uint8Array } {
  if (!existsSync(file)) throw new InvalidDataFile(file, 0, "there is no such file; give a JSON Lines file")
  if (!statSync(file).isFile()) throw new InvalidDataFile(file, 0, "is not a file; give a JSON Lines file")
  const bytes = readWholeFile(file)
  const lines: JsonLine[] = []
  let start = 0
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline < 0 ? bytes.length : newline
    const part = bytes.subarray(start, end)
    if (!part.every(isBlank)) lines.push({ line, bytes: part })
    start = end + 1
  }
  return { lines, bytes }
}

/** Of a line that holds nothing: space, tab and carriage return. */
export function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d
}

const JSON_FAULTS = {
  notUtf8: "the line is not UTF-8; save the file as UTF-8",
  notJson: "the line is not JSON; write one JSON object a line",
  notObject: "the line is not a JSON object; write one object a line",
  repeatedKey: (key: string) => `"${key}" is there twice; keep one`,
}

/** One line as an object. Errors: InvalidDataFile for broken UTF-8, no JSON, no object, or a repeated key. */
export function parseLine(file: string, { line, bytes }: JsonLine): Record<string, unknown> {
  return readJsonObject(bytes, JSON_FAULTS, (fault) => new InvalidDataFile(file, line, fault), parseRow)
}
