// `yohaku` as its users start it: commands that end with an object, and a runner that goes on.
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import path from "node:path"
import { root } from "../load/running-system.ts"

const LAUNCHER = path.join(root, "gpu-runner/cli/yohaku.mjs")

const running = new Map<ChildProcess, Promise<unknown>>()

const started = (argv: readonly string[], env: Readonly<Record<string, string>>): ChildProcess => {
  const child = spawn(process.execPath, [LAUNCHER, ...argv], { env: { ...process.env, ...env } })
  const closed = new Promise((resolve) => child.on("close", resolve))
  running.set(child, closed)
  void closed.then(() => running.delete(child))
  return child
}

/** Ends the runner and every command that was started here, and waits for it. */
export async function endAll(): Promise<void> {
  for (const child of running.keys()) child.kill("SIGTERM")
  await Promise.all(running.values())
}

/** What a command prints with --json. Throws what it told where it ends with another code than 0. */
export async function printedBy<A>(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<A> {
  const child = started([...argv, "--json"], env)
  let [printed, told] = ["", ""]
  child.stdout!.on("data", (piece) => (printed += piece))
  child.stderr!.on("data", (piece) => (told += piece))
  const code = await new Promise((resolve) => child.on("close", resolve))
  if (code !== 0) throw new Error(`yohaku ${argv.join(" ")} ended with ${code}: ${told}`)
  return JSON.parse(printed) as A
}

export interface Runner {
  /** The most that was resident, in bytes, as Linux counts it. */
  readonly peakBytes: () => number
  readonly told: () => string
  readonly stop: () => Promise<unknown>
}

export function startRunner(argv: readonly string[], env: Readonly<Record<string, string>>): Runner {
  const child = started(["runner", ...argv], env)
  let told = ""
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (piece) => (told += piece))
  return {
    peakBytes: () => 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]),
    told: () => told,
    stop: () => {
      child.kill("SIGTERM")
      return running.get(child) ?? Promise.resolve()
    },
  }
}
