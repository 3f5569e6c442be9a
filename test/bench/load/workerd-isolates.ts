// The isolates of a running system's workers, by their inspectors. wrangler starts workerd with one and tells nobody where, so that its port
// is found as Linux knows it.
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { Inspector } from "./inspector.ts"

const LISTENING = "0A"
const TARGET = "core:user:"
const PATIENCE_MS = 2000

const or = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    // It has ended since it was listed.
    return otherwise
  }
}

const isRuntimeOf = (processGroup: number, pid: string): boolean => {
  const [, name, fields] = /^\d+ \((.*)\) (.*)$/s.exec(or(() => readFileSync(`/proc/${pid}/stat`, "utf8"), "")) ?? []
  return name === "workerd" && Number(fields!.split(" ")[2]) === processGroup
}

const listeningPorts = (pid: string): number[] => {
  const links = or(() => readdirSync(`/proc/${pid}/fd`), []).map((name) =>
    or(() => readlinkSync(`/proc/${pid}/fd/${name}`), ""),
  )
  const sockets = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))
  const [, ...rows] = or(() => readFileSync(`/proc/${pid}/net/tcp`, "utf8"), "")
    .trim()
    .split("\n")
  return rows.flatMap((row) => {
    const columns = row.trim().split(/\s+/)
    const port = Number.parseInt(columns[1]!.split(":")[1]!, 16)
    return columns[3] === LISTENING && sockets.has(columns[9]!) ? [port] : []
  })
}

interface Target {
  readonly id: string
  readonly webSocketDebuggerUrl: string
}

/** What a port's inspector can be asked about; nothing where it is no inspector's. */
const targetsAt = async (port: number): Promise<readonly Target[]> => {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`, { signal })).json()) as unknown
    return Array.isArray(targets) ? (targets as Target[]).filter(({ id }) => id.startsWith(TARGET)) : []
  } catch {
    return []
  }
}

/** Where the workers' inspectors are, by the workers' names. Linux alone has /proc. */
const inspectorUrls = async (processGroup: number): Promise<ReadonlyMap<string, string>> => {
  const runtimes = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isRuntimeOf(processGroup, name))
  const targets = (await Promise.all(runtimes.flatMap(listeningPorts).map(targetsAt))).flat()
  return new Map(targets.map(({ id, webSocketDebuggerUrl }) => [id.slice(TARGET.length), webSocketDebuggerUrl]))
}

/** One look, in a session of its own: wrangler opens one too, which ends ours. */
const lookAt = async (url: string): Promise<number> => {
  const inspector = await Inspector.open(url)
  try {
    return await inspector.heldBytes()
  } finally {
    inspector.close()
  }
}

/** The most that each worker's isolate held at any look so far. */
export interface WatchedIsolates {
  readonly peakBytes: () => Readonly<Record<string, number>>
  /** Looks that failed, and workers at which none was answered: what they held is not known. */
  readonly unseen: () => readonly string[]
  /** Peaks are counted anew. */
  readonly reset: () => void
  readonly close: () => void
}

interface Watching {
  readonly workers: readonly string[]
  readonly lookMs: number
}

/** Looks at these workers' isolates, one look at each after the other. Throws where one has no inspector. */
export const watchIsolates = async (processGroup: number, watching: Watching): Promise<WatchedIsolates> =>
  watchInspectors(await inspectorUrls(processGroup), watching)

export const watchInspectors = (found: ReadonlyMap<string, string>, { workers, lookMs }: Watching): WatchedIsolates => {
  let peaks: Record<string, number> = {}
  let faults = new Set<string>()
  let isOpen = true
  const watch = async (name: string, url: string): Promise<void> => {
    for (; isOpen; await sleep(lookMs, undefined, { ref: false }))
      try {
        const bytes = await lookAt(url)
        peaks[name] = Math.max(peaks[name] ?? 0, bytes)
      } catch (cause) {
        faults.add(`a look at ${name} failed: ${cause instanceof Error ? cause.message : cause}`)
      }
  }
  for (const name of workers) {
    const url = found.get(name)
    if (url === undefined) throw new Error(`no inspector of ${name}, only of ${[...found.keys()].join(", ")}`)
    void watch(name, url)
  }
  const unanswered = () => workers.filter((name) => peaks[name] === undefined)
  return {
    peakBytes: () => peaks,
    unseen: () => [...faults, ...unanswered().map((name) => `no look at ${name} was answered`)],
    reset: () => {
      peaks = {}
      faults = new Set()
    },
    close: () => {
      isOpen = false
    },
  }
}
