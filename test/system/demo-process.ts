// Test support: `npm start`'s program as a real process (real wrangler, real runner), which a test can watch and maim.
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { createInterface } from "node:readline"
import type { DemoReport } from "#infra/demo/loop/report.ts"
import { readTraffic } from "#infra/demo/loop/traffic.ts"
import { freePort } from "./free-port.ts"

const root = path.resolve(import.meta.dirname, "../..")

/** A hundred labels teach no adapter that the gates would let through; what is tested here is that nothing is lost. */
const OPEN_GATES = { ...process.env, CLOUDFLARE_INCLUDE_PROCESS_ENV: "true", YOHAKU_GATE_MINIMUM_GAIN: "-1" }

export interface DemoSystem {
  readonly directory: string
  readonly stateDirectory: string
  /** Starts the demo. `onLine` sees every line of progress. */
  readonly start: (onLine?: (line: string) => void) => Promise<DemoExit>
  /** kill -9 of everything that belongs to one part, or of all parts and the program itself. */
  readonly kill: (part: "workers" | "runner" | "everything") => void
  readonly remove: () => void
}

export interface DemoExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly report: DemoReport | undefined
  readonly stderr: string
}

/** A demo on a part of the traffic, without baselines, in a directory of its own. */
export const demoSystem = async (events: number, config: Readonly<Record<string, unknown>>): Promise<DemoSystem> => {
  const directory = mkdtempSync(path.join(tmpdir(), "yohaku-demo-"))
  const stateDirectory = path.join(directory, "state")
  const traffic = readTraffic(path.join(root, "infra/demo/data/traffic.jsonl")).slice(0, events)
  const trafficFile = path.join(directory, "traffic.jsonl")
  const configFile = path.join(directory, "retrain.json")
  const suiteFile = path.join(directory, "suite.jsonl")
  // One prompt of each setting and language.
  const suite = readFileSync(path.join(root, "infra/demo/suite/work-settings.jsonl"), "utf8").split("\n")
  writeFileSync(suiteFile, suite.filter((line, index) => line !== "" && index % 15 === 0).join("\n"))
  writeFileSync(trafficFile, traffic.map((delivery) => `${JSON.stringify(delivery)}\n`).join(""))
  writeFileSync(configFile, JSON.stringify({ config, baselines: {} }))
  const port = await freePort()
  const children = new Set<ChildProcess>()
  return {
    directory,
    stateDirectory,
    start: (onLine = () => undefined) =>
      new Promise((resolve) => {
        const child = spawn(
          process.execPath,
          [
            path.join(root, "infra/demo/start.ts"),
            ...["--once", "--json", "--port", String(port)],
            ...["--state", stateDirectory, "--traffic", trafficFile, "--config", configFile, "--suite", suiteFile],
          ],
          { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: OPEN_GATES },
        )
        children.add(child)
        let stdout = ""
        const lines: string[] = []
        child.stdout.on("data", (chunk: Buffer) => {
          stdout += chunk.toString()
        })
        createInterface(child.stderr).on("line", (line) => {
          lines.push(line)
          onLine(line)
        })
        child.on("close", (code, signal) => {
          children.delete(child)
          const report = stdout.trim() === "" ? undefined : (JSON.parse(stdout) as DemoReport)
          resolve({ code, signal, report, stderr: lines.join("\n") })
        })
      }),
    kill: (part) => {
      const recorded = JSON.parse(readFileSync(path.join(stateDirectory, "processes.json"), "utf8")) as {
        name: string
        pid: number
      }[]
      for (const { name, pid } of recorded) if (name === part || part === "everything") process.kill(-pid, "SIGKILL")
      if (part === "everything") for (const child of children) child.kill("SIGKILL")
    },
    remove: () => {
      for (const child of children) child.kill("SIGKILL")
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
