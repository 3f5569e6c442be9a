// `npm start`: the whole system on this machine, the demo's labelling traffic through it, a report, and then it keeps serving.
// usage: npm start -- [--once] [--json] [--port N] [--state DIRECTORY] [--traffic FILE] [--config FILE]
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { ProcessTable, type Service } from "#infra/local/processes.ts"
import { localSecrets } from "#infra/local/secrets.ts"
import { migrate, startWorkers } from "#infra/local/workers.ts"
import { runDemo } from "./loop/demo.ts"
import { provision } from "./loop/provision.ts"
import { type DemoReport, reportText } from "./loop/report.ts"
import { expectedPairs, readTraffic } from "./loop/traffic.ts"

const root = path.resolve(import.meta.dirname, "../..")
const DATASET = "demo"

const HELP = `npm start -- [options]
  --once            end after the report (as without a terminal)
  --json            one JSON object on stdout, progress on stderr
  --port N          port of the gateway (8787)
  --state DIRECTORY where everything is kept (.yohaku/local)
  --traffic FILE    labelling events to deliver (infra/demo/data/traffic.jsonl)
  --model DIRECTORY the base model (infra/demo/model)
  --config FILE     training options (infra/demo/retrain.json)`

interface RetrainFile {
  readonly config: Readonly<Record<string, unknown>>
  readonly baselines: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

const parseOptions = () => {
  const { values } = parseArgs({
    options: {
      once: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      port: { type: "string", default: "8787" },
      state: { type: "string", default: path.join(root, ".yohaku/local") },
      traffic: { type: "string", default: path.join(root, "infra/demo/data/traffic.jsonl") },
      model: { type: "string", default: path.join(root, "infra/demo/model") },
      config: { type: "string", default: path.join(root, "infra/demo/retrain.json") },
    },
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--port ${values.port}: a number from 1 to 65535 is needed`)
  for (const file of [values.traffic, values.config, values.model])
    if (!existsSync(file)) throw new Error(`${file} does not exist`)
  return { ...values, port, state: path.resolve(values.state) }
}

const startedAt = performance.now()
const elapsedSeconds = (): number => (performance.now() - startedAt) / 1000

const startRunner = (table: ProcessTable, state: string, url: string, token: string): Service =>
  table.start(
    "runner",
    process.execPath,
    [path.join(root, "gpu-runner/cli/yohaku.mjs"), "runner", "--url", url, "--directory", path.join(state, "runner")],
    { ...process.env, YOHAKU_RUNNER_TOKEN: token },
    root,
  )

/** Rejects as soon as a part dies. */
const orDeath = <A>(services: readonly Service[], work: Promise<A>): Promise<A> =>
  Promise.race([
    work,
    ...services.map(async (service): Promise<never> => {
      const reason = await service.exited
      throw new Error(
        `the ${service.name} stopped (${reason}); see ${service.logFile}. Nothing is lost: npm start goes on where it was`,
      )
    }),
  ])

// The listeners stay: Ctrl-C reaches this process from the terminal and again from its launcher, and the second signal must
// not end it while it is still stopping its parts.
const untilStopped = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve())
  })

const main = async (): Promise<void> => {
  const options = parseOptions()
  if (options.help) return console.log(HELP)
  const say = (line: string): void =>
    console[options.json ? "error" : "log"](`[${elapsedSeconds().toFixed(1).padStart(6)} s] ${line}`)
  const table = new ProcessTable(options.state)
  await table.endLeftovers()
  const services: Service[] = []
  const stopped = untilStopped()
  try {
    const work = demo(options, table, services, say)
    const report = await Promise.race([work, stopped])
    if (report === undefined) return
    if (options.json) console.log(JSON.stringify(report))
    if (options.once || !process.stdin.isTTY) return
    say(`serving at http://127.0.0.1:${options.port} (OpenAPI at /openapi.json); Ctrl-C ends it`)
    await orDeath(services, stopped)
  } finally {
    for (const service of services.toReversed()) await service.stop()
  }
}

const demo = async (
  options: ReturnType<typeof parseOptions>,
  table: ProcessTable,
  services: Service[],
  say: (line: string) => void,
): Promise<DemoReport> => {
  const secrets = localSecrets(options.state)
  say("starting the workers")
  migrate({ root, stateDirectory: options.state })
  const workers = await startWorkers(table, {
    root,
    stateDirectory: options.state,
    port: options.port,
    envFile: secrets.envFile,
  })
  services.push(workers)
  const traffic = readTraffic(options.traffic)
  const retrain = JSON.parse(readFileSync(options.config, "utf8")) as RetrainFile
  const provisioned = await orDeath(
    services,
    provision({
      url: workers.url,
      adminKey: secrets.adminKey,
      stateDirectory: options.state,
      modelDirectory: options.model,
      datasetId: DATASET,
      retrainThreshold: expectedPairs(traffic),
      retrainConfig: retrain.config,
    }),
  )
  services.push(startRunner(table, options.state, workers.url, provisioned.runnerKey))
  const gateway = { url: workers.url, datasetId: DATASET, provisioned }
  const { report, outcome } = await orDeath(
    services,
    runDemo({ ...gateway, stateDirectory: options.state, traffic, baselines: retrain.baselines, onProgress: say }),
  )
  const complete = { durationSeconds: elapsedSeconds(), ...report }
  if (!options.json) console.log(reportText(complete, outcome))
  return complete
}

main().catch((error: unknown) => {
  console.error(`yohaku: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
