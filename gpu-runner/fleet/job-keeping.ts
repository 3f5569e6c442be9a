// What a job keeps at the gateway while it is done, under its lease: texts in order, which whoever takes the job up reads first. A text is safe when its
// promise resolves; texts that come while a call is under way go together with the next.
import { setTimeout } from "node:timers/promises"
import { Effect } from "effect"
import { CallRefused, GatewayUnavailable, whenReachable } from "#gpu-runner/client/call-failure.ts"
import { keptLine, keptTexts } from "#shared/wire/kept-lines.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { JobContext } from "./job-context.ts"
import { JobFailed, toJobFailed } from "./job-failure.ts"
import { type JobCallFailure, LeaseLost, RunnerApi } from "./RunnerApi.ts"

export interface JobKeeping {
  /** Of earlier leases. */
  readonly texts: readonly string[]
  /** Rejects with LeaseLost or CallRefused, as all later ones do. */
  readonly add: (text: string) => Promise<void>
  /** Whether a text can be kept beside those before it. */
  readonly fits: (text: string) => boolean
}

const utf8 = new TextEncoder()
const bytesOf = (line: string) => utf8.encode(line).length + 1

/** So that many lines of some bytes are one call, and no call is too large. */
const firstLines = (lines: readonly string[]): number => {
  let count = 0
  for (let bytes = 0; count < lines.length; count++) {
    bytes += bytesOf(lines[count]!)
    if (bytes > LIMITS.jsonBodyBytes) break
  }
  return Math.max(1, count)
}

/** Sends lines one call after the other. */
class KeptQueue {
  #waiting: string[] = []
  #next: Promise<void> | undefined
  #underWay: Promise<void> = Promise.resolve()
  #from: number
  readonly #send: (from: number, lines: readonly string[]) => Promise<void>
  readonly #pause: () => Promise<void>

  constructor(
    from: number,
    pause: () => Promise<void>,
    send: (from: number, lines: readonly string[]) => Promise<void>,
  ) {
    this.#from = from
    this.#pause = pause
    this.#send = send
  }

  add(line: string): Promise<void> {
    this.#waiting.push(line)
    this.#next ??= this.#underWay.then(() => this.#sendWaiting())
    return this.#next
  }

  async #sendWaiting(): Promise<void> {
    await this.#pause()
    const lines = this.#waiting
    this.#waiting = []
    this.#underWay = this.#next!
    this.#next = undefined
    for (let done = 0; done < lines.length; ) {
      const some = lines.slice(done, done + firstLines(lines.slice(done)))
      await this.#send(this.#from, some)
      this.#from += some.length
      done += some.length
    }
  }
}

const unreadable = (cause: unknown) =>
  new JobFailed("what the job keeps holds a line that no runner wrote; start it again", { retryable: false, cause })

/** Fails with JobFailed where what is kept cannot be read. `pauseMs`: how long texts are gathered before a call. */
export const jobKeeping = Effect.fn("jobKeeping")(function* ({ job, signal }: JobContext, pauseMs = 0) {
  const api = yield* RunnerApi
  const texts: string[] = []
  for (;;) {
    const lines = yield* whenReachable(api.kept(job, texts.length))
    const some = yield* Effect.try({ try: () => keptTexts(lines), catch: unreadable })
    if (some.length === 0) break
    texts.push(...some)
  }
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  const pause = async () => (pauseMs > 0 ? setTimeout<void>(pauseMs, undefined, { signal }) : undefined)
  const queue = new KeptQueue(texts.length, pause, (from, lines) =>
    run(whenReachable(api.keep(job, from, lines)), { signal }),
  )
  let characters = texts.reduce((sum, text) => sum + keptLine(text).length, 0)
  const keeping: JobKeeping = {
    texts,
    add: (text) => {
      const line = keptLine(text)
      characters += line.length
      return queue.add(line)
    },
    fits: (text) => {
      const line = keptLine(text)
      return line.length <= LIMITS.keptLineCharacters && characters + line.length <= LIMITS.keptCharacters
    },
  }
  return keeping
})

const isCallFailure = (cause: unknown): cause is JobCallFailure =>
  cause instanceof LeaseLost || cause instanceof CallRefused || cause instanceof GatewayUnavailable

/** Work that keeps: a call's failure ends the job as that call's, any other as `toFailure` says. */
export const attemptCalls = <A>(
  work: (signal: AbortSignal) => Promise<A>,
  toFailure: (cause: unknown) => JobFailed = toJobFailed,
): Effect.Effect<A, JobFailed | JobCallFailure> =>
  Effect.tryPromise({ try: work, catch: (cause) => (isCallFailure(cause) ? cause : toFailure(cause)) })
