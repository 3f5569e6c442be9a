// One running system a state directory. The lock is a file that names its owner's process, so that a kill -9 leaves none behind:
// an owner that runs no more owns nothing. Files are numbered and the highest counts; a number is made by one process only, and
// no file is removed before a higher one is there, so of starts at the same moment exactly one wins.
import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { isRunning, type ProcessIdentity, startTime } from "./process-identity.ts"

interface Owner extends ProcessIdentity {
  readonly port: number
}

export class StateInUse extends Error {
  readonly _tag = "StateInUse"
  /** The process that owns it. */
  readonly pid: number

  constructor(directory: string, { pid, port }: Owner) {
    super(
      `a system with the state ${directory} runs already: process ${pid}, at http://127.0.0.1:${port}. Use that one, end it (kill ${pid}), or start another with --state DIRECTORY and --port N`,
    )
    this.pid = pid
  }
}

const numbersIn = (folder: string): number[] =>
  readdirSync(folder)
    .filter((name) => /^\d+\.json$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .toSorted((a, b) => b - a)

const fileOf = (folder: string, number: number): string => path.join(folder, `${number}.json`)

/** Undefined where another start has removed the file meanwhile. */
const ownerOf = (file: string): Owner | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Owner
  } catch {
    return undefined
  }
}

/** Makes the file at once and whole; false where it is there already. */
const isMade = (file: string, owner: Owner): boolean => {
  const whole = `${file}.${owner.pid}`
  try {
    writeFileSync(whole, JSON.stringify(owner))
    linkSync(whole, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  } finally {
    rmSync(whole, { force: true })
  }
}

/** Makes this process, or `owner`, the owner of a state directory until it ends. Throws `StateInUse`. */
export const lockState = (
  stateDirectory: string,
  port: number,
  owner: ProcessIdentity = { pid: process.pid, startedAt: startTime(process.pid) },
): void => {
  const folder = path.join(stateDirectory, "lock")
  makeFolder(folder)
  for (;;) {
    const last = numbersIn(folder)[0] ?? 0
    const before = last === 0 ? undefined : ownerOf(fileOf(folder, last))
    if (before !== undefined && isRunning(before)) throw new StateInUse(stateDirectory, before)
    const own = last + 1
    if (!isMade(fileOf(folder, own), { ...owner, port })) continue
    const numbers = numbersIn(folder)
    // A start that was slow between looking and making stands below the one that won.
    if (numbers[0] !== own) {
      rmSync(fileOf(folder, own), { force: true })
      continue
    }
    for (const number of numbers) if (number < own) rmSync(fileOf(folder, number), { force: true })
    return
  }
}
