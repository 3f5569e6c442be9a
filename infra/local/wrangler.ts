// wrangler on this machine: where it is, with which environment it runs, where its stores lie, and what it last said.
import { readFileSync } from "node:fs"
import path from "node:path"
import { stripVTControlCharacters } from "node:util"
import type { Service } from "./processes.ts"

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

/** What wrangler is started with. */
export const wranglerEnvironment = (): NodeJS.ProcessEnv => ({
  ...COLLECTED_WHOLE,
  ...process.env,
  ...NEITHER_EXPLORED_NOR_TRACED,
  CI: "true",
  NO_COLOR: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_LOG: "log",
})

export const wrangler = (root: string): string => path.join(root, "node_modules/.bin/wrangler")
export const persistDirectory = (stateDirectory: string): string => path.join(stateDirectory, "workers")

const LAST_LINES = 15

/** The last lines of a log, without wrangler's colours, and where all of it is. */
export const logEnd = ({ logFile }: Service): string => {
  const lines = stripVTControlCharacters(readFileSync(logFile, "utf8")).trimEnd().split("\n")
  return `${lines.slice(-LAST_LINES).join("\n")}\nThe whole log: ${logFile}`
}
