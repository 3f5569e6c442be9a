// `yohaku`: finds the command, parses its arguments, and turns what it throws into one line on stderr and an exit code:
// 0 done, 1 failed, 2 bad usage, 3 done in part (import, judge).
import { runtimeVersions } from "#gpu-runner/data/versions.ts"
import { type Command, CommandFailed, helpOf, parseCommand, shellLine, type Terminal, UsageError } from "./command.ts"

/** The commands, each a file of commands/, in the order of --help. They are loaded when called, so that it never waits for the GPU library. */
const SUMMARIES: Readonly<Record<string, string>> = {
  doctor: "what this machine has: adapter, limits, driver, versions",
  score: "log-probs of pairs under a model",
  train: "preference tuning or supervised fine-tuning",
  sweep: "methods, seeds and label noise compared as one table",
  eval: "pair accuracy of a model",
  generate: "a model's responses to prompts",
  serve: "a model and its adapters over OpenAI's HTTP shapes",
  judge: "win rates from a judge's verdicts, also at equal lengths",
  safety: "how often answers to harmful and harmless prompts refuse",
  bench: "how fast products, attention, head, steps and pairs run here",
  tune: "measures which kernels are fastest on this machine's GPU",
  data: "shows what a data file would teach",
  pack: "shows what is in a run's pack",
  import: "sends preference rows or comparisons to a gateway",
  sync: "finds what a labelling tool's webhook never delivered or never took back, and mends it",
  up: "serves an empty system on this machine, with one runner",
  runner: "joins a fleet and does its jobs",
  export: "a model or an adapter for other runtimes",
  model: "fetches models from the hub, lists them, and registers them with a gateway",
}

async function load(name: string): Promise<Command> {
  return (await import(`./commands/${name}.ts`)).command
}

function usage(): string {
  const width = Math.max(...Object.keys(SUMMARIES).map((name) => name.length))
  const lines = Object.entries(SUMMARIES).map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`)
  return ["usage: yohaku <command> [options]", "", ...lines, "", "yohaku <command> --help says more."].join("\n")
}

/** Runs a command line; returns its exit code. */
export async function runCli(argv: readonly string[], streams: Pick<Terminal, "print" | "tell">): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined) {
    streams.tell(usage())
    return 2
  }
  if (name === "--help" || name === "-h" || name === "help") {
    streams.print(usage())
    return 0
  }
  if (name === "--version") {
    const { yohaku, node, webgpu } = runtimeVersions()
    streams.print(`yohaku ${yohaku} (node ${node}, webgpu ${webgpu})`)
    return 0
  }
  const isVerbose = rest.includes("--verbose")
  if (!Object.hasOwn(SUMMARIES, name)) {
    const known = Object.keys(SUMMARIES).join(", ")
    streams.tell(`yohaku: unknown command ${JSON.stringify(name)}; known are ${known} (yohaku --help)`)
    return 2
  }
  try {
    const command = await load(name)
    const { values, wantsHelp } = parseCommand(command, rest)
    if (wantsHelp) streams.print(helpOf(command))
    else {
      const commandLine = shellLine(["yohaku", ...argv])
      const answer = (result: object, text: () => string) =>
        streams.print(values.json === true ? JSON.stringify(result) : text())
      await command.run(values as never, { ...streams, answer, commandLine })
    }
    return 0
  } catch (error) {
    return failure(error, name, isVerbose, streams.tell)
  }
}

function failure(error: unknown, name: string, isVerbose: boolean, tell: (text: string) => void): number {
  const message = error instanceof Error ? error.message : String(error)
  const oneLine = message.replaceAll(/\s*\n\s*/g, " ").trim()
  const isUsage = isUsageFault(error)
  const hint = isUsage && error instanceof UsageError ? ` (yohaku ${name} --help)` : ""
  tell(`yohaku ${name}: ${oneLine}${hint}`)
  if (isVerbose && error instanceof Error) {
    tell(error.stack ?? "")
    if (error.cause !== undefined) tell(`caused by: ${String((error.cause as Error).stack ?? error.cause)}`)
  }
  if (error instanceof CommandFailed) return error.exitCode
  return isUsage ? 2 : 1
}

/** What the user wrote on the command line or into the configuration, as against files and machines that fail. */
function isUsageFault(error: unknown): boolean {
  const tag = (error as { _tag?: unknown } | null)?._tag
  return tag === "UsageError" || tag === "InvalidTrainConfig" || tag === "UnusableConfig"
}

/** `yohaku train … | head`: a reader that has seen enough is no reason to end a run, nor a failure. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error
}

/** Progress that finds no room in a log is lost; the work goes on. */
function ignoreFullLog(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOSPC" && error.code !== "EDQUOT") ignoreClosedPipe(error)
}

/** The process's own command line. */
export async function runFromProcess(): Promise<void> {
  process.stdout.on("error", ignoreClosedPipe)
  process.stderr.on("error", ignoreFullLog)
  const code = await runCli(process.argv.slice(2), {
    print: (text) => process.stdout.write(`${text}\n`),
    tell: (text) => process.stderr.write(`${text}\n`),
  })
  process.exitCode = code
}
