// `npm start`: the whole system on this machine. The first time it plays the demo's labelling traffic through it and reports; then, and
// every later time, it serves. usage: npm start -- --help
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { UsageError } from "#gpu-runner/cli/command.ts"
import type { LocalKeys } from "#infra/local/keys.ts"
import { tellNews } from "#infra/local/news.ts"
import { untilStopped } from "#infra/local/signals.ts"
import { LocalSystem } from "#infra/local/system.ts"
import { runDemo } from "./loop/demo.ts"
import { provision } from "./loop/provision.ts"
import { reportText } from "./loop/report.ts"
import { type Ending, finishSession, lastSession, type Play, playOf } from "./loop/session.ts"
import { expectedPairs, readTraffic } from "./loop/traffic.ts"
import { HELP, parseOptions, root, type StartOptions } from "./start-options.ts"

interface RetrainFile {
  readonly config: Readonly<Record<string, unknown>>
  readonly baselines: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

type Say = (line: string) => void

const startedAt = performance.now()
const elapsedSeconds = (): number => (performance.now() - startedAt) / 1000

const AGAIN = "npm start -- --replay plays it again, --traffic FILE another file's events"

const show = ({ json }: StartOptions, { report, text }: Ending): void =>
  console.log(json ? JSON.stringify(report) : text)

/** `--once` on a demo that was played: nothing is left to do. */
const tellLast = (options: StartOptions, ending: Ending | undefined, say: Say): void => {
  say(`the demo was played before${ending === undefined ? "" : "; this is what it reported"}. ${AGAIN}`)
  if (ending !== undefined) show(options, ending)
}

const demo = async (
  options: StartOptions,
  system: LocalSystem,
  { operatorKey }: LocalKeys,
  play: Play,
  say: Say,
): Promise<Ending> => {
  const traffic = readTraffic(options.traffic)
  const retrain = JSON.parse(readFileSync(options.config, "utf8")) as RetrainFile
  const { datasetId } = play
  const { url, adminKey, stopping: signal } = system
  const provisioned = await provision({
    url,
    adminKey,
    signal,
    stateDirectory: options.state,
    modelDirectory: options.model,
    datasetId,
    retrainThreshold: expectedPairs(traffic),
    retrainConfig: retrain.config,
  })
  const gateway = { url, signal, datasetId, provisioned, operatorKey, stateDirectory: options.state }
  const { baselines } = retrain
  const played = await runDemo({ ...gateway, traffic, play, baselines, suiteFile: options.suite, onProgress: say })
  const report = { durationSeconds: elapsedSeconds(), ...played.report }
  const ending = { report, text: reportText(report, played.outcome) }
  finishSession(options.state, play, played.session, ending)
  return ending
}

const serve = async (
  { json }: StartOptions,
  system: LocalSystem,
  { operatorKey }: LocalKeys,
  stopped: Promise<void>,
  say: Say,
): Promise<void> => {
  say(`serving at ${system.url} (it says where to go); the admin key is in ${system.secretsFile}; Ctrl-C ends it`)
  const telling = new AbortController()
  const tell = json ? (news: object) => console.log(JSON.stringify(news)) : ({ text }: { text: string }) => say(text)
  void tellNews({ url: system.url, operatorKey }, tell, telling.signal)
  try {
    await system.serve(stopped)
  } finally {
    telling.abort()
  }
}

const main = async (): Promise<void> => {
  const options = parseOptions()
  if (options.help) return console.log(HELP)
  const say: Say = (line) =>
    console[options.json ? "error" : "log"](`[${elapsedSeconds().toFixed(1).padStart(6)} s] ${line}`)
  const play = playOf(options.state, createHash("sha256").update(readFileSync(options.traffic)).digest("hex"))
  const last = lastSession(options.state, play.datasetId)
  const isPlayed = last?.isFinished === true && !options.replay
  if (isPlayed && options.once) return tellLast(options, last.ending, say)
  const stopped = untilStopped(() => say("stopping; the next npm start goes on from here"))
  const system = new LocalSystem({ root, stateDirectory: options.state, port: options.port, say })
  const work = async (): Promise<void> => {
    const keys = await system.start()
    await system.startRunner(keys.runnerKey)
    if (isPlayed) say(`the demo was played before: ${AGAIN}`)
    else show(options, await system.orGivenUp(demo(options, system, keys, play, say)))
    if (!options.once) await serve(options, system, keys, stopped, say)
  }
  try {
    await Promise.race([work(), stopped])
  } finally {
    await system.stop()
  }
}

main().catch((error: unknown) => {
  const isUsage = error instanceof UsageError
  const hint = isUsage ? " (npm start -- --help)" : ""
  console.error(`yohaku: ${error instanceof Error ? error.message : String(error)}${hint}`)
  process.exitCode = isUsage ? 2 : 1
})
