// One demo session is one retraining. A session that was cut off is taken up again; a finished one is followed by the next.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"

export interface Session {
  readonly number: number
  readonly isFinished: boolean
  /** The scorer's counters when the session began. */
  readonly scorerBefore: Readonly<Record<string, number>>
}

const fileOf = (stateDirectory: string): string => path.join(stateDirectory, "session.json")

const write = (stateDirectory: string, session: Session): Session => {
  const file = fileOf(stateDirectory)
  writeFileSync(`${file}.new`, JSON.stringify(session))
  renameSync(`${file}.new`, file)
  return session
}

export const openSession = (stateDirectory: string, scorerNow: Readonly<Record<string, number>>): Session => {
  const file = fileOf(stateDirectory)
  const last = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Session) : undefined
  if (last !== undefined && !last.isFinished) return last
  return write(stateDirectory, { number: (last?.number ?? 0) + 1, isFinished: false, scorerBefore: scorerNow })
}

export const finishSession = (stateDirectory: string, session: Session): void => {
  write(stateDirectory, { ...session, isFinished: true })
}
