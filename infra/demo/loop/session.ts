// One demo session is one retraining. A session that was cut off is taken up again; a finished one keeps its report. Each file of
// labelling events has a dataset of its own, with its own sessions.
import path from "node:path"
import { readStateFile, writeStateFile } from "#infra/local/state-file.ts"
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
  writeStateFile(fileOf(stateDirectory, datasetId), JSON.stringify(session))
  return session
}

const isSession = (value: unknown): value is Session =>
  typeof value === "object" && value !== null && typeof (value as Session).isFinished === "boolean"

/** Throws `StateUnusable`. */
export const lastSession = (stateDirectory: string, datasetId: string): Session | undefined =>
  readStateFile(fileOf(stateDirectory, datasetId), isSession, "delete it, and the demo is played again")

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
