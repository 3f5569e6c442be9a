// One demo session is one retraining. A session that was cut off is taken up again; a finished one keeps its report. Each file of
// labelling events has a dataset of its own, with its own sessions.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"
import type { DemoReport } from "./report.ts"

/** The dataset of the file that was played first. */
export const FIRST_DATASET = "demo"

/** What is played: a file of labelling events, by its digest, into its dataset. */
export interface Play {
  readonly datasetId: string
  readonly trafficDigest: string
}

/** The report as it was shown when a session ended. */
export interface Ending {
  readonly report: DemoReport
  readonly text: string
}

export interface Session {
  readonly number: number
  readonly isFinished: boolean
  /** The scorer's counters when the session began. */
  readonly scorerBefore: Readonly<Record<string, number>>
  readonly trafficDigest?: string
  readonly ending?: Ending
}

const fileOf = (stateDirectory: string, datasetId: string): string =>
  path.join(stateDirectory, datasetId === FIRST_DATASET ? "session.json" : `session-${datasetId}.json`)

const write = (stateDirectory: string, datasetId: string, session: Session): Session => {
  const file = fileOf(stateDirectory, datasetId)
  writeFileSync(`${file}.new`, JSON.stringify(session))
  renameSync(`${file}.new`, file)
  return session
}

export const lastSession = (stateDirectory: string, datasetId: string): Session | undefined => {
  const file = fileOf(stateDirectory, datasetId)
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Session) : undefined
}

/** The dataset that a file's events go to. A first session that names no file is of an earlier version, which knew one. */
export const playOf = (stateDirectory: string, trafficDigest: string): Play => {
  const first = lastSession(stateDirectory, FIRST_DATASET)
  const isFirst = (first?.trafficDigest ?? trafficDigest) === trafficDigest
  return { datasetId: isFirst ? FIRST_DATASET : `${FIRST_DATASET}-${trafficDigest.slice(0, 8)}`, trafficDigest }
}

export const openSession = (
  stateDirectory: string,
  { datasetId, trafficDigest }: Play,
  scorerNow: Readonly<Record<string, number>>,
): Session => {
  const last = lastSession(stateDirectory, datasetId)
  if (last !== undefined && !last.isFinished) return last
  const number = (last?.number ?? 0) + 1
  return write(stateDirectory, datasetId, { number, isFinished: false, scorerBefore: scorerNow, trafficDigest })
}

export const finishSession = (
  stateDirectory: string,
  { datasetId, trafficDigest }: Play,
  session: Session,
  ending: Ending,
): void => {
  write(stateDirectory, datasetId, { ...session, trafficDigest, isFinished: true, ending })
}
