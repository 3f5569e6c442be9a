// Runs the command line inside the test's own process, and keeps what it prints.
import { runCli } from "#gpu-runner/cli/main.ts"

export interface CliRun {
  readonly code: number
  /** stdout, without the last newline. */
  readonly printed: string
  /** Warnings and errors; progress goes past it. */
  readonly told: string
}

/** `yohaku` with these arguments. */
export async function runYohaku(...argv: readonly string[]): Promise<CliRun> {
  const printed: string[] = []
  const told: string[] = []
  const code = await runCli(argv, { print: (text) => printed.push(text), tell: (text) => told.push(text) })
  return { code, printed: printed.join("\n"), told: told.join("\n") }
}

/** The same with --json; `result` is the object that was printed, undefined after a failure. */
export async function runYohakuJson(...argv: readonly string[]) {
  const { code, printed, told } = await runYohaku(...argv, "--json")
  return { code, told, result: printed === "" ? undefined : JSON.parse(printed) }
}
