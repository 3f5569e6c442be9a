// Times every dispatch of a recorder by a compute pass of its own with timestamps at both ends; where the adapter has no timestamps,
// by the moments at which the queue reports each dispatch done, which is as coarse as the host's polling. See Recorder.timeDispatches.
import type { Dispatch } from "./dispatch.ts"
import type { GpuDevice } from "./open-device.ts"

/** `timestamp`: the device's own clock. `queue`: the host's, when it hears that a dispatch is done. */
export type TimerClock = "timestamp" | "queue"

export interface TimedDispatch extends Dispatch {
  /** The innermost Recorder.withinPhase that it was recorded in; "" outside of any. */
  readonly phase: string
  /** Milliseconds on one clock for all dispatches of a timer. */
  readonly startMs: number
  readonly endMs: number
}

type Recorded = Omit<TimedDispatch, "startMs" | "endMs">

interface Submitted {
  readonly dispatches: readonly Recorded[]
  readonly staging: GPUBuffer
}

/** A query set holds at most 4096 queries; two a dispatch. */
const MOST_DISPATCHES = 2048
const QUERY_BYTES = 8
const NANOSECONDS_PER_MS = 1e6

/**
 * Start and end of passes from their timestamps in nanoseconds, two a pass, none before the end of the one before it. Dawn lets Vulkan take
 * the first as soon as the pass is reached (TOP_OF_PIPE), before the barrier that waits for the dispatch before: a GPU would count that
 * one's time twice. What passes between two dispatches that wait for each other is then part of the second's time.
 */
export function spansOf(
  stamps: BigUint64Array,
  afterMs = Number.NEGATIVE_INFINITY,
): { startMs: number; endMs: number }[] {
  const ms = (index: number) => Number(stamps[index]!) / NANOSECONDS_PER_MS
  let lastEndMs = afterMs
  return Array.from({ length: stamps.length / 2 }, (_, pass) => {
    const endMs = Math.max(ms(2 * pass + 1), lastEndMs)
    const startMs = Math.min(Math.max(ms(2 * pass), lastEndMs), endMs)
    lastEndMs = endMs
    return { startMs, endMs }
  })
}

export class DispatchTimer {
  readonly clock: TimerClock
  readonly #gpu: GpuDevice
  readonly #queries: GPUQuerySet | undefined
  readonly #resolved: GPUBuffer | undefined
  #open: Recorded[] = []
  #submitted: Submitted[] = []
  #heard: Promise<TimedDispatch>[] = []
  #lastHeardMs = 0

  /** By default the best clock that the device has. */
  constructor(gpu: GpuDevice, clock: TimerClock = gpu.features.has("timestamp-query") ? "timestamp" : "queue") {
    this.#gpu = gpu
    this.clock = clock
    if (clock === "queue") return
    this.#queries = gpu.device.createQuerySet({ label: "timer.queries", type: "timestamp", count: 2 * MOST_DISPATCHES })
    this.#resolved = gpu.device.createBuffer({
      label: "timer.resolved",
      size: 2 * MOST_DISPATCHES * QUERY_BYTES,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    })
  }

  /** Whether what is recorded must be submitted before another dispatch: always by the queue's clock. */
  get isFull(): boolean {
    return this.#open.length === MOST_DISPATCHES || (this.clock === "queue" && this.#open.length > 0)
  }

  /** Takes down a dispatch that is about to be recorded; returns what its pass is begun with. */
  begin(dispatch: Recorded): Pick<GPUComputePassDescriptor, "timestampWrites"> {
    const first = 2 * this.#open.length
    this.#open.push(dispatch)
    if (!this.#queries) return {}
    const querySet = this.#queries
    return { timestampWrites: { querySet, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 } }
  }

  /** Ends a command buffer: copies its timestamps out of the query set, which the next one uses again. */
  beforeSubmit(encoder: GPUCommandEncoder): void {
    const count = 2 * this.#open.length
    if (!this.#queries || !this.#resolved || count === 0) return
    const size = count * QUERY_BYTES
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST
    const staging = this.#gpu.device.createBuffer({ label: "timer.staging", size, usage })
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0)
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, size)
    this.#submitted.push({ dispatches: this.#open, staging })
    this.#open = []
  }

  /** By the queue's clock: begins to listen for the dispatch that was just submitted. */
  afterSubmit(): void {
    if (this.clock === "timestamp") return
    const submittedMs = performance.now()
    for (const dispatch of this.#open) {
      const heard = this.#whenDone(dispatch, submittedMs)
      // A lost device rejects it; whoever reads hears of that, and nobody need read.
      heard.catch(() => undefined)
      this.#heard.push(heard)
    }
    this.#open = []
  }

  async #whenDone(dispatch: Recorded, submittedMs: number): Promise<TimedDispatch> {
    await this.#gpu.device.queue.onSubmittedWorkDone()
    const endMs = performance.now()
    const startMs = Math.max(submittedMs, this.#lastHeardMs)
    this.#lastHeardMs = endMs
    return { ...dispatch, startMs, endMs }
  }

  /** Waits for everything submitted, and returns the dispatches since the last read, in their order. */
  async read(): Promise<TimedDispatch[]> {
    const [submitted, heard] = [this.#submitted, this.#heard]
    this.#submitted = []
    this.#heard = []
    const timed: TimedDispatch[] = []
    for (const { dispatches, staging } of submitted) {
      await this.#gpu.wait(staging.mapAsync(GPUMapMode.READ))
      const stamps = new BigUint64Array(staging.getMappedRange().slice(0))
      staging.destroy()
      const spans = spansOf(stamps, timed.at(-1)?.endMs)
      dispatches.forEach((dispatch, i) => {
        timed.push({ ...dispatch, ...spans[i]! })
      })
    }
    return [...timed, ...(await this.#gpu.wait(Promise.all(heard)))]
  }

  destroy(): void {
    this.#queries?.destroy()
    this.#resolved?.destroy()
    for (const { staging } of this.#submitted) staging.destroy()
  }
}
