// The child's side of a measurement: reads requests from stdin, one JSON a line, and answers each with a marked line on stdout.
// Anything else that a library prints to stdout is not an answer and is passed over.
import { createInterface } from "node:readline"
import { throttledWait } from "#gpu-runner/device/throttled-wait.ts"
import type { Found, Task } from "./tasks.ts"

/** Begins an answer on stdout. */
export const ANSWER_MARK = "@bench "

/** One task made ready in a system. */
export interface Prepared {
  readonly run: () => Promise<void> | void
  /** Runs once more and reads the result back; not timed. */
  readonly find: () => Promise<Found>
  readonly release?: () => void
}

export interface ServeOptions {
  /** Sleep between turns of the event loop while waiting: dawn.node polls in each turn, and takes a core from a software adapter. */
  readonly isThrottled: boolean
}

/** As the engine waits on a software adapter. */
const PAUSES = { mostMs: 0.2, shareOfWait: 1 }

/** Serves until stdin ends. A request is {"do":"prepare","task":…}, {"do":"round"} or {"do":"release"}. */
export async function serveRounds(prepare: (task: Task) => Promise<Prepared>, options: ServeOptions): Promise<void> {
  const settled = <T>(promise: Promise<T>) => (options.isThrottled ? throttledWait(promise, PAUSES) : promise)
  let prepared: Prepared | undefined
  const timed = async () => {
    const cpu = process.cpuUsage()
    const start = performance.now()
    await settled(Promise.resolve(prepared!.run()))
    const ms = performance.now() - start
    const { user, system } = process.cpuUsage(cpu)
    return { ms, cpuMs: (user + system) / 1000 }
  }
  const answers: Record<string, (request: { task?: Task }) => Promise<object>> = {
    prepare: async ({ task }) => {
      prepared = await settled(prepare(task!))
      const { ms: firstMs } = await timed()
      return { firstMs, found: await settled(prepared.find()) }
    },
    round: timed,
    release: async () => {
      prepared?.release?.()
      prepared = undefined
      return {}
    },
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    let answer: object
    try {
      answer = await answers[request.do]!(request)
    } catch (error) {
      answer = { error: (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 300) }
    }
    process.stdout.write(`${ANSWER_MARK}${JSON.stringify(answer)}\n`)
  }
  process.exit(0)
}
