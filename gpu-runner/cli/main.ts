// `yohaku`: finds the command, parses its arguments, and turns what it throws into one line on stderr and an exit code:
// 0 done, 1 failed, 2 bad usage.
import { runtimeVersions } from "#gpu-runner/data/versions.ts"
import { type Command, helpOf, parseCommand, shellLine, type Terminal, UsageError } from "./command.ts"

// Commands are loaded when they are called, so that --help never waits for the GPU library.
const commands: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  doctor: {
    summary: "what this machine has: adapter, limits, driver, versions",
    load: async () => (await import("./commands/doctor.ts")).doctor as unknown as Command,
  },
  score: {
    summary: "log-probs of pairs under a model",
    load: async () => (await import("./commands/score.ts")).score as unknown as Command,
  },
  train: {
    summary: "preference tuning or supervised fine-tuning",
    load: async () => (await import("./commands/train.ts")).train as unknown as Command,
  },
  sweep: {
    summary: "methods, seeds and label noise compared as one table",
    load: async () => (await import("./commands/sweep.ts")).sweep as unknown as Command,
  },
  eval: {
    summary: "pair accuracy of a model",
    load: async () => (await import("./commands/eval.ts")).evaluate as unknown as Command,
  },
  bench: {
    summary: "how fast products, attention, head, steps and pairs run here",
    load: async () => (await import("./commands/bench.ts")).bench as unknown as Command,
  },
  tune: {
    summary: "measures which kernels are fastest on this machine's GPU",
    load: async () => (await import("./commands/tune.ts")).tune as unknown as Command,
  },
  import: {
    summary: "sends preference rows or comparisons to a gateway",
    load: async () => (await import("./commands/import.ts")).importPreferences as unknown as Command,
  },
  runner: {
    summary: "joins a fleet and does its jobs",
    load: async () => (await import("./commands/runner.ts")).runner as unknown as Command,
  },
  export: {
    summary: "a model or an adapter for other runtimes",
    load: async () => (await import("./commands/export.ts")).exportModel as unknown as Command,
  },
  model: {
    summary: "fetches models from the hub, and lists them",
    load: async () => (await import("./commands/model.ts")).model as unknown as Command,
  },
}

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
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
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!entry) {
    const known = Object.keys(commands).join(", ")
    streams.tell(`yohaku: unknown command ${JSON.stringify(name)}; known are ${known} (yohaku --help)`)
    return 2
  }
  try {
    const command = await entry.load()
    const { values, wantsHelp } = parseCommand(command, rest)
    if (wantsHelp) streams.print(helpOf(command))
    else {
      const commandLine = shellLine(["yohaku", ...argv])
      await command.run(values as never, { ...streams, isVerbose, isJson: values.json === true, commandLine })
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

/** The process's own command line. */
export async function runFromProcess(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreClosedPipe)
  const code = await runCli(process.argv.slice(2), {
    print: (text) => process.stdout.write(`${text}\n`),
    tell: (text) => process.stderr.write(`${text}\n`),
  })
  process.exitCode = code
}
