// Starts the three workers under wrangler on this machine, with their data in the state directory.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { ProcessTable, Service } from "./processes.ts"

const CONFIGS = ["wrangler.toml", "workers/scorer/wrangler.toml", "workers/orchestrator/wrangler.toml"]

export interface WorkersOptions {
  readonly root: string
  readonly stateDirectory: string
  readonly port: number
  readonly envFile: string
}

/**
 * wrangler's own explorer answers SQL over every store on the gateway's port, to whoever asks, without a key; and its observability writes
 * a trace of every request, some 20 kB each, into the state directory for ever.
 */
const NEITHER_EXPLORED_NOR_TRACED = { X_LOCAL_EXPLORER: "false", X_LOCAL_OBSERVABILITY: "false" }

/**
 * A local workerd has no limit of memory to collect garbage for, and keeps what hangs on small objects: 1.2 GB after ten busy minutes of
 * which 0.05 GB were alive (cloudflare/workerd#6824, #6894). So its heaps, which are small, are collected whole each time,
 * and new objects get little room.
 */
const COLLECTED_WHOLE = { MINIFLARE_WORKERD_V8_FLAGS: "--gc-global --max-semi-space-size=4" }

const environment = (): NodeJS.ProcessEnv => ({
  ...COLLECTED_WHOLE,
  ...process.env,
  ...NEITHER_EXPLORED_NOR_TRACED,
  CI: "true",
  NO_COLOR: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_LOG: "log",
})

const wrangler = (root: string): string => path.join(root, "node_modules/.bin/wrangler")
const persistDirectory = (stateDirectory: string): string => path.join(stateDirectory, "workers")

/** Brings the local D1 database to the newest migration. */
export const migrate = ({ root, stateDirectory }: Pick<WorkersOptions, "root" | "stateDirectory">): void => {
  const result = spawnSync(
    wrangler(root),
    ["d1", "migrations", "apply", "yohaku", "--local", "--persist-to", persistDirectory(stateDirectory)],
    { cwd: root, env: environment(), encoding: "utf8" },
  )
  if (result.status !== 0) throw new Error(`the database could not be migrated:\n${result.stdout}${result.stderr}`)
}

const tail = (file: string, lines: number): string =>
  readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n")

const isHealthy = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) })).ok
  } catch {
    return false
  }
}

/** Resolves when the gateway answers; rejects with the log's end when wrangler dies or 90 s pass. */
export const startWorkers = async (
  table: ProcessTable,
  options: WorkersOptions,
): Promise<Service & { readonly url: string }> => {
  const url = `http://127.0.0.1:${options.port}`
  const service = table.start(
    "workers",
    wrangler(options.root),
    [
      "dev",
      ...CONFIGS.flatMap((config) => ["-c", config]),
      ...["--port", String(options.port), "--ip", "127.0.0.1", "--inspector-port", "0"],
      ...["--persist-to", persistDirectory(options.stateDirectory), "--env-file", options.envFile],
      "--show-interactive-dev-session=false",
    ],
    environment(),
    options.root,
  )
  let exit: string | undefined
  void service.exited.then((reason) => {
    exit = reason
  })
  for (let waitedMs = 0; waitedMs < 90_000; waitedMs += 200) {
    if (exit !== undefined) throw new Error(`the workers stopped (${exit}):\n${tail(service.logFile, 15)}`)
    if (await isHealthy(url)) return { ...service, url }
    await sleep(200)
  }
  await service.stop()
  throw new Error(`the workers did not answer within 90 s:\n${tail(service.logFile, 15)}`)
}
