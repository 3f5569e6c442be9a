// Child processes of a local system. Each runs in its own process group, and the groups are written down, so that whatever
// a killed predecessor left running is ended before the same files and ports are used again.
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type ProcessIdentity, startTime } from "./process-identity.ts"

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

const killGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone already.
  }
}

const groupIsAlive = (pid: number): boolean => {
  try {
    process.kill(-pid, 0)
    return true
  } catch {
    return false
  }
}

/** The processes of one state directory. */
export class ProcessTable {
  readonly #file: string
  readonly #stateDirectory: string
  #recorded: Recorded[]

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory
    this.#file = path.join(stateDirectory, "processes.json")
    this.#recorded = existsSync(this.#file) ? (JSON.parse(readFileSync(this.#file, "utf8")) as Recorded[]) : []
  }

  /** Ends what an earlier, killed start left running. A recycled process id is left alone. */
  async endLeftovers(): Promise<void> {
    for (const { pid, startedAt } of this.#recorded) {
      const now = startTime(pid)
      const isOurs = now === startedAt || now === ""
      if (isOurs && groupIsAlive(pid)) await this.#end(pid)
    }
    this.#recorded = []
    this.#write()
  }

  start(
    name: string,
    command: string,
    commandArguments: readonly string[],
    env: NodeJS.ProcessEnv,
    cwd: string,
  ): Service {
    mkdirSync(path.join(this.#stateDirectory, "logs"), { recursive: true })
    const logFile = path.join(this.#stateDirectory, "logs", `${name}.log`)
    const log = openSync(logFile, "a")
    const child: ChildProcess = spawn(command, commandArguments, {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", log, log],
    })
    closeSync(log)
    const pid = child.pid ?? -1
    this.#recorded.push({ name, pid, startedAt: startTime(pid) })
    try {
      this.#write()
    } catch (error) {
      // What is not written down would outlive a kill of this process.
      killGroup(pid, "SIGKILL")
      throw error
    }
    const exited = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message))
      child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
    })
    return { name, pid, logFile, exited, stop: () => this.#end(pid) }
  }

  async #end(pid: number): Promise<void> {
    killGroup(pid, "SIGTERM")
    for (let waitedMs = 0; waitedMs < 5000 && groupIsAlive(pid); waitedMs += 50) await sleep(50)
    killGroup(pid, "SIGKILL")
    for (let waitedMs = 0; waitedMs < 5000 && groupIsAlive(pid); waitedMs += 20) await sleep(20)
    this.#recorded = this.#recorded.filter((recorded) => recorded.pid !== pid)
    this.#write()
  }

  #write(): void {
    mkdirSync(this.#stateDirectory, { recursive: true })
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.#recorded))
    renameSync(`${this.#file}.new`, this.#file)
  }
}
