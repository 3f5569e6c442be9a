// Which requests are computed: a bounded queue before one batch. Requests join and leave between passes; one whose client has gone leaves at the
// next one.
import type { LiveGenerator } from "#gpu-runner/generation/open-live-generator.ts"
import type { GenerationRequest, PassReport, Sequence } from "#gpu-runner/generation/sequence-batch.ts"
import { ApiError } from "./api-error.ts"

export interface ServedRequest extends GenerationRequest {
  /** After each token, the last one with its finishReason. */
  readonly onToken: (sequence: Sequence<ServedRequest>) => void
  /** Instead of a last token. */
  readonly onFailure: (failure: Error) => void
}

export interface SchedulerOptions {
  /** Requests that may wait. */
  readonly mostWaiting: number
  readonly onPass?: ((report: PassReport) => void) | undefined
  /** The device can do no more; every request has been told. */
  readonly onBroken: (failure: Error) => void
}

type Passes = Pick<LiveGenerator<ServedRequest>, "pass" | "leave" | "size" | "plan">

/** What a client is asked to wait, where nothing is known yet. */
const USUAL_WAIT_SECONDS = 5
const MOST_WAIT_SECONDS = 120

export class Scheduler {
  readonly #generator: Passes
  readonly #options: SchedulerOptions
  readonly #running = new Set<ServedRequest>()
  readonly #leaving = new Set<ServedRequest>()
  #waiting: ServedRequest[] = []
  #loop: Promise<void> | undefined
  #isDraining = false
  #failure: Error | undefined
  /** Of ended requests, smoothed. */
  #secondsEach: number | undefined
  readonly #beganMs = new Map<ServedRequest, number>()

  constructor(generator: Passes, options: SchedulerOptions) {
    this.#generator = generator
    this.#options = options
  }

  get running(): number {
    return this.#running.size
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  get isBroken(): boolean {
    return this.#failure !== undefined
  }

  /** Takes requests that belong together, or none of them. Errors: ApiError. */
  add(requests: readonly ServedRequest[]): void {
    this.throwIfClosed()
    const { mostWaiting } = this.#options
    const most = mostWaiting + this.#generator.plan.batch
    if (requests.length > most) {
      throw new ApiError(
        "invalid_value",
        `this asks for ${requests.length} answers, and at most ${most} are held at once`,
        {
          param: "n",
        },
      )
    }
    const free = this.#generator.plan.batch - this.#running.size
    const waiting = this.#waiting.length + requests.length
    if (waiting > mostWaiting + Math.max(0, free)) {
      throw new ApiError("queue_full", `${this.#waiting.length} requests wait already; ask again later`, {
        retryAfterSeconds: this.#waitSeconds(),
      })
    }
    this.#waiting.push(...requests)
    this.#start()
  }

  /** Of a server that takes nothing any more. Errors: ApiError. */
  throwIfClosed(): void {
    if (this.#failure) throw deviceFailed()
    if (this.#isDraining) throw new ApiError("draining", "the server is ending; ask another one, or later")
  }

  /** Gives requests up that nobody wants any more. Those that have ended are passed over. */
  remove(requests: readonly ServedRequest[]): void {
    this.#waiting = this.#waiting.filter((request) => !requests.includes(request))
    for (const request of requests) if (this.#running.has(request)) this.#leaving.add(request)
    this.#start()
  }

  /** Takes nothing any more; resolves when what was taken has ended, or was ended after `mostMs`. */
  async drain(mostMs: number): Promise<void> {
    this.#isDraining = true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, mostMs)
    })
    await Promise.race([this.#loop, late])
    clearTimeout(timer)
    this.#failAll(new ApiError("draining", "the server ended before the answer did"))
    await this.#loop
  }

  #start(): void {
    const hasWork = this.#waiting.length > 0 || this.#running.size > 0
    if (hasWork) this.#loop ??= this.#work()
  }

  async #work(): Promise<void> {
    try {
      // Requests that come at the same time are read in one pass.
      await Promise.resolve()
      for (this.#letGo(); this.#waiting.length > 0 || this.#running.size > 0; this.#letGo()) await this.#pass()
    } catch (error) {
      this.#failure = error as Error
      this.#failAll(deviceFailed())
      this.#running.clear()
      this.#options.onBroken(this.#failure)
    } finally {
      this.#loop = undefined
    }
  }

  async #pass(): Promise<void> {
    const advanced = await this.#generator.pass(
      {
        next: () => this.#waiting[0],
        advance: () => {
          const request = this.#waiting.shift()!
          this.#running.add(request)
          this.#beganMs.set(request, performance.now())
        },
      },
      this.#options,
    )
    for (const sequence of advanced) {
      const { request, finishReason, failure } = sequence
      const isLeaving = this.#leaving.has(request)
      if (finishReason !== undefined || failure !== undefined) this.#ended(request)
      if (!isLeaving) this.#tell(sequence)
    }
  }

  /** What fails in telling is that request's own. */
  #tell(sequence: Sequence<ServedRequest>): void {
    const { request, failure } = sequence
    try {
      if (failure) request.onFailure(failure)
      else request.onToken(sequence)
    } catch (error) {
      this.remove([request])
      request.onFailure(error as Error)
    }
  }

  #ended(request: ServedRequest): void {
    this.#running.delete(request)
    this.#leaving.delete(request)
    const seconds = (performance.now() - this.#beganMs.get(request)!) / 1000
    this.#beganMs.delete(request)
    this.#secondsEach = this.#secondsEach === undefined ? seconds : 0.8 * this.#secondsEach + 0.2 * seconds
  }

  /** Ends what nobody waits for, between two passes. */
  #letGo(): void {
    for (const request of this.#leaving) {
      this.#generator.leave(request)
      this.#running.delete(request)
      this.#beganMs.delete(request)
    }
    this.#leaving.clear()
  }

  #failAll(failure: Error): void {
    const requests = [...this.#waiting, ...this.#running].filter((request) => !this.#leaving.has(request))
    this.remove(requests)
    for (const request of requests) request.onFailure(failure)
  }

  /** Until somebody who waits has begun, as long as answers take now. */
  #waitSeconds(): number {
    const each = this.#secondsEach ?? USUAL_WAIT_SECONDS
    return Math.min(MOST_WAIT_SECONDS, Math.max(1, Math.ceil(each)))
  }
}

function deviceFailed(): ApiError {
  return new ApiError("device_failed", "the device failed, and the server ends; ask again when it was started anew")
}
