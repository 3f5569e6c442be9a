// Starts the three workers under wrangler on this machine, with their data in the state directory.
import { readdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import type { ProcessTable, Service } from "./processes.ts"
import { logEnd, persistDirectory, wrangler, wranglerEnvironment } from "./wrangler.ts"

const CONFIGS = ["wrangler.toml", "workers/scorer/wrangler.toml", "workers/orchestrator/wrangler.toml"]

/** How long a start may take before it counts as failed. */
const START_PATIENCE_MS = 90_000
/** How often running workers are asked whether they answer, and how long an answer may take. */
const LOOK_INTERVAL_MS = 5000
/** Two cores may be busy with training: silence alone must last. */
const SILENCE_PATIENCE_MS = 60_000
const AFTER_DEATH_PATIENCE_MS = 12_000

export interface WorkersOptions {
  readonly root: string
  readonly stateDirectory: string
  readonly port: number
  readonly envFile: string
}

export const urlOf = (port: number): string => `http://127.0.0.1:${port}`

const isHealthy = async (url: string, patienceMs: number): Promise<boolean> => {
  try {
    return (await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(patienceMs) })).ok
  } catch {
    return false
  }
}

export const startsWorkers = (table: ProcessTable, options: WorkersOptions): Service =>
  table.start(
    "workers",
    wrangler(options.root),
    [
      "dev",
      ...CONFIGS.flatMap((config) => ["-c", config]),
      ...["--port", String(options.port), "--ip", "127.0.0.1", "--inspector-port", "0"],
      ...["--persist-to", persistDirectory(options.stateDirectory), "--env-file", options.envFile],
      "--show-interactive-dev-session=false",
    ],
    wranglerEnvironment(),
    options.root,
  )

/** Resolves when the gateway answers; rejects with the log's end when wrangler dies or 90 s pass. */
export const workersReady = async (service: Service, url: string): Promise<void> => {
  let exit: string | undefined
  void service.exited.then((reason) => {
    exit = reason
  })
  for (const startedMs = performance.now(); performance.now() - startedMs < START_PATIENCE_MS; await sleep(200)) {
    if (exit !== undefined) throw new Error(`the workers stopped (${exit}):\n${logEnd(service)}`)
    if (await isHealthy(url, 2000)) return
  }
  await service.stop()
  throw new Error(`the workers did not answer within ${START_PATIENCE_MS / 1000} s:\n${logEnd(service)}`)
}

/** Starts the workers and waits for them. */
export const startWorkers = async (
  table: ProcessTable,
  options: WorkersOptions,
): Promise<Service & { readonly url: string }> => {
  const url = urlOf(options.port)
  const service = startsWorkers(table, options)
  await workersReady(service, url)
  return { ...service, url }
}

/** The workerd processes of a group, as text to compare: empty where the system does not tell. */
const runtimesOf = (group: number): string =>
  process.platform === "linux"
    ? readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name) && isRuntimeOf(group, name))
        .join(" ")
    : ""

const isRuntimeOf = (group: number, pid: string): boolean => {
  try {
    const [, name, fields] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? []
    return name === "workerd" && Number(fields!.split(" ")[2]) === group
  } catch {
    return false
  }
}

/**
 * Resolves, with the reason, when workers that did work answer no longer. wrangler starts a workerd that died again by itself, and then
 * lets every request wait without end: so silence counts sooner when a workerd has gone.
 */
export const workersSilent = async (service: Service, url: string, signal: AbortSignal): Promise<string> => {
  let answeredMs = performance.now()
  let runtimes = runtimesOf(service.pid)
  for (;;) {
    await sleep(LOOK_INTERVAL_MS, undefined, { ref: false, signal })
    const isAnswering = await isHealthy(url, LOOK_INTERVAL_MS)
    const now = runtimesOf(service.pid)
    if (isAnswering) {
      answeredMs = performance.now()
      runtimes = now
      continue
    }
    const silentMs = performance.now() - answeredMs
    const hasChanged = now !== runtimes
    if (silentMs > (hasChanged ? AFTER_DEATH_PATIENCE_MS : SILENCE_PATIENCE_MS))
      return `${hasChanged ? "their workerd died, " : ""}no answer for ${(silentMs / 1000).toFixed(0)} s`
  }
}
