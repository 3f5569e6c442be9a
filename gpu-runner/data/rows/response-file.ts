// Responses as JSON Lines in the order of their prompts, written as they are made: what is whole after a kill is not made again, and the
// file of a run that was killed is in the end that of one that was not. FILE.origin.json beside it says what it was made from.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs"
import path from "node:path"
import { responsesLine, type StoredResponse } from "#shared/wire/responses.ts"
import { InvalidDataFile, ResponsesMismatch } from "../errors.ts"
import { readWholeFile, writeFileAtomically } from "../files.ts"
import { makeFolder } from "../make-folder.ts"

export type { StoredResponse }

/** What a file was made from, by name; all of it must be the same to go on with it. */
export type ResponseOrigin = Readonly<Record<string, string | number | null | readonly string[]>>

export interface ResponseFile {
  /** Prompts whose responses are there. */
  readonly done: number
  /** Adds those of the next prompt. Errors: ResponsesMismatch where somebody else wrote to the file. */
  readonly write: (id: string | number, responses: readonly StoredResponse[]) => void
  readonly close: () => void
}

/**
 * Opens a file to go on with, or a new one; a torn last line is cut off. Errors: ResponsesMismatch where it was made from something else,
 * which is named; InvalidDataFile where its lines are not those of the prompts.
 */
export function openResponseFile(
  file: string,
  origin: ResponseOrigin,
  ids: readonly (string | number)[],
): ResponseFile {
  const beside = `${file}.origin.json`
  const isThere = existsSync(file) && statSync(file).size > 0
  if (isThere) checkOrigin(file, beside, origin)
  makeFolder(path.dirname(path.resolve(file)))
  writeFileAtomically(beside, `${JSON.stringify(origin, null, 2)}\n`)
  const { done, bytes } = isThere ? wholeLines(file, ids) : { done: 0, bytes: 0 }
  const descriptor = openSync(file, "a")
  ftruncateSync(descriptor, bytes)
  let size = bytes
  return {
    done,
    write: (id, responses) => {
      if (fstatSync(descriptor).size !== size) {
        throw new ResponsesMismatch(`${file} was written to by another process; let one at a time make it`)
      }
      const line = new TextEncoder().encode(responsesLine(id, responses))
      for (let written = 0; written < line.length; ) written += writeSync(descriptor, line, written)
      size += line.length
    },
    close: () => {
      fsyncSync(descriptor)
      closeSync(descriptor)
    },
  }
}

function checkOrigin(file: string, beside: string, origin: ResponseOrigin): void {
  const mend = "choose another --out, or remove the file to make it anew"
  if (!existsSync(beside)) {
    throw new ResponsesMismatch(`${file} is there, and no ${path.basename(beside)} says what it was made from; ${mend}`)
  }
  const found = readOrigin(beside, mend)
  for (const [name, value] of Object.entries(origin)) {
    const [was, is] = [JSON.stringify(found[name] ?? null), JSON.stringify(value)]
    if (was === is) continue
    throw new ResponsesMismatch(`${file} was made with ${name} ${short(was)}, not ${short(is)}; ${mend}`)
  }
}

function readOrigin(beside: string, mend: string): ResponseOrigin {
  try {
    const origin: unknown = JSON.parse(readFileSync(beside, "utf8"))
    if (typeof origin === "object" && origin !== null) return origin as ResponseOrigin
  } catch {
    // Told below: no JSON is as useless as JSON of something else.
  }
  throw new ResponsesMismatch(`${beside} cannot be read; ${mend}`)
}

/** A digest by its first digits. */
function short(value: string): string {
  return value.replace(/^"([0-9a-f]{12})[0-9a-f]{52}"$/, "$1…")
}

/** How many prompts' lines are whole, and the bytes that they take. */
function wholeLines(
  file: string,
  ids: readonly (string | number)[],
): { readonly done: number; readonly bytes: number } {
  const bytes = readWholeFile(file)
  let done = 0
  let start = 0
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    checkLine(file, done, bytes.subarray(start, end), ids)
    done += 1
    start = end + 1
  }
  return { done, bytes: start }
}

function checkLine(file: string, index: number, bytes: Uint8Array, ids: readonly (string | number)[]): void {
  let id: unknown
  try {
    id = (JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as { readonly id?: unknown } | null)?.id
  } catch {
    throw new InvalidDataFile(file, index + 1, "the line is not JSON; remove it and all after it to go on from there")
  }
  if (index < ids.length && id === ids[index]) return
  const expected = index < ids.length ? JSON.stringify(ids[index]) : "no more lines"
  throw new InvalidDataFile(
    file,
    index + 1,
    `the line is of id ${JSON.stringify(id)}, here should be ${expected}; remove it and all after it`,
  )
}
