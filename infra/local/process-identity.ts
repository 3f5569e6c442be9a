// Which process it is: a process id alone may have been given to somebody else since.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"

export interface ProcessIdentity {
  readonly pid: number
  /** The kernel's start time of the process. */
  readonly startedAt: string
}

/** Empty where there is no such process, or only what is left of one that nobody waited for. */
export const startTime = (pid: number): string => {
  if (process.platform !== "linux")
    return spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout?.trim() ?? ""
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")
    return fields[0] === "Z" || fields[0] === "X" ? "" : fields[19]!
  } catch {
    return ""
  }
}

export const isRunning = ({ pid, startedAt }: ProcessIdentity): boolean =>
  startedAt !== "" && startTime(pid) === startedAt
