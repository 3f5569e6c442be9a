// Memory of every process of a local system, as Linux counts it. Which process is which follows from how wrangler starts them: a launcher,
// its Node.js process with Miniflare in it, and two workerds, one before the workers and one that runs them.
import { readdirSync, readFileSync } from "node:fs"

const KIB_PER_MIB = 1024

export interface MemorySample {
  /** Processes of one role count together. */
  readonly role: string
  readonly rssMib: number
  /** Pages that belong to it alone count whole, shared ones by their share. */
  readonly pssMib: number
  /** Of its resident pages those that no file is behind: heaps, WebAssembly memories, buffers. */
  readonly anonymousMib: number
}

const textOf = (pid: number, name: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8")
  } catch {
    // It has ended since it was listed.
    return ""
  }
}

const groupOf = (pid: number): number => Number(textOf(pid, "stat").split(") ").at(-1)?.split(" ")[2])

/** What a process of the group is there for. */
export const roleOf = (commandLine: string, gatewayPort: number): string => {
  if (commandLine.includes("workerd"))
    return commandLine.includes(`entry=127.0.0.1:${gatewayPort}`) ? "workerd: wrangler's proxy" : "workerd: the workers"
  if (commandLine.includes("esbuild")) return "esbuild"
  return commandLine.includes("cli.js") ? "node: wrangler" : "node: launcher"
}

const memberOf = (rollup: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0) / KIB_PER_MIB

const sampleOf = (pid: number, gatewayPort: number): readonly MemorySample[] => {
  const rollup = textOf(pid, "smaps_rollup")
  if (rollup === "") return []
  const role = roleOf(textOf(pid, "cmdline").replaceAll("\0", " "), gatewayPort)
  const [rssMib, pssMib, anonymousMib] = [
    memberOf(rollup, "Rss"),
    memberOf(rollup, "Pss"),
    memberOf(rollup, "Anonymous"),
  ]
  return [{ role, rssMib, pssMib, anonymousMib }]
}

const sumOf = (role: string, samples: readonly MemorySample[]): MemorySample => ({
  role,
  rssMib: samples.reduce((sum, { rssMib }) => sum + rssMib, 0),
  pssMib: samples.reduce((sum, { pssMib }) => sum + pssMib, 0),
  anonymousMib: samples.reduce((sum, { anonymousMib }) => sum + anonymousMib, 0),
})

const membersOf = (processGroup: number): number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && groupOf(pid) === processGroup)

/** Ticks are hundredths on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100

/** Processor time that the group's processes took since they were started. */
export const processorSeconds = (processGroup: number): number =>
  membersOf(processGroup).reduce((sum, pid) => {
    const fields = textOf(pid, "stat").split(") ").at(-1)!.split(" ")
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND
  }, 0)

/** One sample of each role of a process group. Linux alone has /proc. */
export const sampleGroup = (processGroup: number, gatewayPort: number): readonly MemorySample[] => {
  const samples = membersOf(processGroup).flatMap((pid) => sampleOf(pid, gatewayPort))
  return [...Map.groupBy(samples, ({ role }) => role)].map(([role, of]) => sumOf(role, of))
}
