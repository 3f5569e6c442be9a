// The small files of a state directory: written whole or not at all, and read or refused. What the disk says against it becomes one
// sentence that says the mend.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"

export class StateUnusable extends Error {
  readonly _tag = "StateUnusable"
}

const ANOTHER = "choose another with --state DIRECTORY"

const whyUnusable = (directory: string, { code, message }: NodeJS.ErrnoException): string => {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return `the disk of the state directory ${directory} is full: free some of it, or ${ANOTHER}`
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `the state directory ${directory} cannot be written (${code}): give yourself the right to write there, or ${ANOTHER}`
    case "ENOTDIR":
    case "EEXIST":
      return `the state directory ${directory} is a file, or lies below one: ${ANOTHER}`
    default:
      return `the state directory ${directory} cannot be used (${message}): mend that, or ${ANOTHER}`
  }
}

/** Does work on the files of a state directory. Throws `StateUnusable` where the file system refuses it. */
export const inState = <A>(directory: string, work: () => A): A => {
  try {
    return work()
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).code !== "string") throw error
    throw new StateUnusable(whyUnusable(directory, error as NodeJS.ErrnoException), { cause: error })
  }
}

/** Writes a file of a state directory, whole or not at all; one of secrets is readable by this user only. Throws `StateUnusable`. */
export const writeStateFile = (file: string, text: string, kind: "plain" | "secret" = "plain"): void =>
  inState(path.dirname(file), () => {
    makeFolder(path.dirname(file))
    writeFileSync(`${file}.new`, text, kind === "secret" ? { mode: 0o600 } : {})
    renameSync(`${file}.new`, file)
  })

/** What a JSON file of a state directory holds; undefined where there is none. Throws `StateUnusable`, with the mend, for a damaged one. */
export const readStateFile = <A>(
  file: string,
  isWhole: (value: unknown) => value is A,
  mend: string,
): A | undefined => {
  if (!existsSync(file)) return undefined
  const text = inState(path.dirname(file), () => readFileSync(file, "utf8"))
  const value = jsonOf(text)
  if (isWhole(value)) return value
  throw new StateUnusable(`${file} is damaged: ${mend}`)
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether a value read from JSON is an object with these texts. */
export const hasTexts = (value: unknown, ...names: readonly string[]): boolean =>
  typeof value === "object" &&
  value !== null &&
  names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === "string")
