// Shows a training run on stderr: a block that is drawn again in place on a terminal, plain lines elsewhere.
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"
import { afterEvent, initialView, noteOf, plainLine, renderView } from "./training-view.ts"

const LIVE_INTERVAL_MS = 100
const PLAIN_INTERVAL_MS = 5000
/** What comes before the first step is worth a plain line from here on. */
const LONG_MS = 1000

export interface TrainingDisplay {
  readonly show: (event: ProgressEvent) => void
  /** Prints a line of its own that stays. */
  readonly note: (text: string) => void
  /** Takes the block away until it is drawn again: somebody else is about to write to the terminal. */
  readonly clear: () => void
  /** Draws the last state, once; what is printed afterwards stands below it. */
  readonly close: () => void
}

export interface DisplayOptions {
  readonly method: string
  readonly stream?: Pick<NodeJS.WriteStream, "isTTY" | "write" | "columns">
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
}

/** Live only on a terminal that can move its cursor; colours unless NO_COLOR is set (no-color.org). */
export function createTrainingDisplay(options: DisplayOptions): TrainingDisplay {
  const { stream = process.stderr, environment = process.env, now = () => performance.now(), method } = options
  const isLive = stream.isTTY === true && environment.TERM !== "dumb"
  const isColored = isLive && !environment.NO_COLOR
  let view = initialView(method)
  let drawnLines = 0
  let isClosed = false
  let shownMs = Number.NEGATIVE_INFINITY
  let stage = { what: "", ms: 0 }

  const draw = () => {
    const lines = renderView(view, Math.max(1, (stream.columns ?? 80) - 1), isColored)
    stream.write(`${erase()}${lines.join("\n")}\n`)
    drawnLines = lines.length
  }
  const erase = () => (drawnLines === 0 ? "" : `\u001b[${drawnLines}A\r\u001b[J`)
  const note = (text: string) => {
    stream.write(`${erase()}${text}\n`)
    drawnLines = 0
    if (isLive && view.steps > 0) draw()
  }
  /** Whether a plain line would be of something that is soon over. */
  const isShort = (event: ProgressEvent) => {
    if (event._tag !== "Preparing") return false
    if (event.what !== stage.what) {
      stage = { what: event.what, ms: now() }
      shownMs = Number.NEGATIVE_INFINITY
    }
    return !isLive && now() - stage.ms < LONG_MS
  }
  return {
    show: (event) => {
      view = afterEvent(view, event, now())
      const text = noteOf(event)
      if (text !== undefined) note(text)
      const isMoving = event._tag === "Step" || event._tag === "Preparing"
      const isLast = event._tag === "Step" && event.step === event.steps
      if (!isMoving || isShort(event) || (!isLast && now() - shownMs < (isLive ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS)))
        return
      shownMs = now()
      if (isLive) draw()
      else stream.write(`${plainLine(view)}\n`)
    },
    note,
    clear: () => {
      if (drawnLines > 0) stream.write(erase())
      drawnLines = 0
    },
    close: () => {
      if (isLive && !isClosed && view.steps > 0) draw()
      isClosed = true
      drawnLines = 0
    },
  }
}
