// Child processes of a local system. Each runs in its own process group, and the groups are written down, so that whatever
// a killed predecessor left running is ended before the same files and ports are used again.
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { type ProcessIdentity, startTime } from "./process-identity.ts"
import { hasTexts, inState, readStateFile, writeStateFile } from "./state-file.ts"

interface Recorded extends ProcessIdentity {
  readonly name: string
}

export interface Service {
  readonly name: string
  readonly pid: number
  readonly logFile: string
  readonly exited: Promise<string>
  readonly stop: () => Promise<void>
}

/** Of a process that could not be started. Negated it would name the first process of the machine. */
const NOT_STARTED = -1
const isGroup = (pid: number): boolean => pid > 1

const killGroup = (pid: number, signal: NodeJS.Signals): void => {
  if (!isGroup(pid)) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone already.
  }
}

const groupIsAlive = (pid: number): boolean => {
  if (!isGroup(pid)) return false
  try {
    process.kill(-pid, 0)
    return true
  } catch {
    return false
  }
}

const areRecords = (value: unknown): value is Recorded[] =>
  Array.isArray(value) &&
  value.every((entry) => hasTexts(entry, "name", "startedAt") && Number.isInteger((entry as Recorded).pid))

const IF_DAMAGED =
  "end what an earlier start may have left running (wrangler, workerd, yohaku runner), delete that file, and start again"

/** The processes of one state directory. Throws `StateUnusable`. */
export class ProcessTable {
  readonly #file: string
  readonly #stateDirectory: string
  #recorded: Recorded[]

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory
    this.#file = path.join(stateDirectory, "processes.json")
    this.#recorded = readStateFile(this.#file, areRecords, IF_DAMAGED) ?? []
  }

  /** Ends what runs of this state directory, at a start what an earlier, killed one left. A recycled process id is left alone. */
  async endAll(): Promise<void> {
    for (const { pid, startedAt } of this.#recorded) {
      const now = startTime(pid)
      const isOurs = now === startedAt || now === ""
      if (isOurs && groupIsAlive(pid)) await this.#end(pid)
    }
    this.#recorded = []
    this.#writeEnded()
  }

  start(
    name: string,
    command: string,
    commandArguments: readonly string[],
    env: NodeJS.ProcessEnv,
    cwd: string,
  ): Service {
    const logFile = path.join(this.#stateDirectory, "logs", `${name}.log`)
    const log = inState(this.#stateDirectory, () => {
      makeFolder(path.dirname(logFile))
      return openSync(logFile, "a")
    })
    const child: ChildProcess = spawn(command, commandArguments, {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", log, log],
    })
    closeSync(log)
    const exited = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message))
      child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
    })
    const pid = child.pid ?? NOT_STARTED
    const record = { name, pid, startedAt: startTime(pid) }
    try {
      this.#write([...this.#recorded, record])
    } catch (error) {
      // What is not written down would outlive a kill of this process.
      killGroup(pid, "SIGKILL")
      throw error
    }
    this.#recorded.push(record)
    return { name, pid, logFile, exited, stop: () => this.#end(pid) }
  }

  async #end(pid: number): Promise<void> {
    killGroup(pid, "SIGTERM")
    for (let waitedMs = 0; waitedMs < 5000 && groupIsAlive(pid); waitedMs += 50) await sleep(50)
    killGroup(pid, "SIGKILL")
    for (let waitedMs = 0; waitedMs < 5000 && groupIsAlive(pid); waitedMs += 20) await sleep(20)
    this.#recorded = this.#recorded.filter((recorded) => recorded.pid !== pid)
    this.#writeEnded()
  }

  #write(records: readonly Recorded[]): void {
    writeStateFile(this.#file, JSON.stringify(records))
  }

  /** A record too many names a group that is gone, which the next start passes over: a full disk is no reason to end nothing. */
  #writeEnded(): void {
    try {
      this.#write(this.#recorded)
    } catch {
      // Written with the next change.
    }
  }
}
