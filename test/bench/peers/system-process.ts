// The parent's side of a measurement: one process a system, which stands still (SIGSTOP) except while it is asked something, so
// that no two systems ever share the cores. A process that ends, hangs or answers with an error becomes SystemFailed.
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { ANSWER_MARK } from "./serve-rounds.ts"
import type { Found, Task } from "./tasks.ts"

/** A system could not do what it was asked; the message is what the table says. */
export class SystemFailed extends Error {
  readonly _tag = "SystemFailed"
}

export interface Command {
  readonly file: string
  readonly arguments: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

interface Answer {
  readonly error?: string
  readonly ms?: number
  readonly cpuMs?: number
  readonly firstMs?: number
  readonly found?: Found
}

export interface Round {
  readonly ms: number
  /** Processor time of the system's process, all threads. */
  readonly cpuMs: number
}

const mayStop = process.platform !== "win32"
const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})
// A stopped child would outlive a parent that is ended by a signal.
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const) {
  process.on(signal, () => process.exit(128 + number))
}

export class SystemProcess {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #lastWords = ""
  #ending: string | undefined

  constructor(command: Command) {
    this.#child = spawn(command.file, command.arguments, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...command.environment },
    })
    running.add(this.#child)
    this.#child.on("error", (error) => {
      this.#ending = error.message
    })
    this.#child.on("exit", (code, signal) => {
      this.#ending ??= signal ? `its process was ended by ${signal}` : `its process ended with code ${code}`
      running.delete(this.#child)
    })
    this.#child.stdin!.on("error", () => undefined)
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-4000)
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  get hasEnded(): boolean {
    return this.#ending !== undefined
  }

  /** Makes a task ready, runs it twice to warm up, and gives the first run's time (compilation included) and what was found. */
  async prepare(task: Task, timeoutMs: number): Promise<{ readonly firstMs: number; readonly found: Found }> {
    const { firstMs, found } = await this.#ask({ do: "prepare", task }, timeoutMs)
    return { firstMs: firstMs!, found: found! }
  }

  async round(timeoutMs: number): Promise<Round> {
    const { ms, cpuMs } = await this.#ask({ do: "round" }, timeoutMs)
    return { ms: ms!, cpuMs: cpuMs! }
  }

  async release(): Promise<void> {
    if (!this.hasEnded) await this.#ask({ do: "release" }, 30_000)
  }

  end(): void {
    running.delete(this.#child)
    this.#child.kill("SIGKILL")
  }

  async #ask(request: object, timeoutMs: number): Promise<Answer> {
    if (this.#ending) throw new SystemFailed(this.#ending)
    if (mayStop) this.#child.kill("SIGCONT")
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    const timeout = setTimeout(() => {
      this.#ending = `no answer within ${timeoutMs / 1000} s`
      this.end()
    }, timeoutMs)
    try {
      const answer = await this.#answer()
      if (answer.error !== undefined) throw new SystemFailed(answer.error)
      return answer
    } finally {
      clearTimeout(timeout)
      if (mayStop) this.#child.kill("SIGSTOP")
    }
  }

  async #answer(): Promise<Answer> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) {
        // The exit event may come after the last line.
        await new Promise((resolve) => setTimeout(resolve, 50))
        const lines = this.#lastWords.trim().split("\n")
        const cause = lines.findLast((line) => !line.startsWith("Warning: "))
        throw new SystemFailed([this.#ending ?? "its process ended", cause].filter(Boolean).join(": ").slice(0, 300))
      }
      if (value.startsWith(ANSWER_MARK)) return JSON.parse(value.slice(ANSWER_MARK.length)) as Answer
    }
  }
}
