// Waiting for the GPU without stealing a core. dawn.node re-arms setImmediate while any promise is pending, which keeps the
// main thread at 100 %; on a software adapter that takes a core from the very work it waits for. Sleeping between turns gives it back.

const sleepCell = new Int32Array(new SharedArrayBuffer(4))

/** How long to sleep between two turns of the event loop. */
export interface Pauses {
  /** Also how late a timer or a socket may be served: the thread really sleeps. */
  readonly mostMs: number
  /** Of the time waited so far: a short wait ends promptly, a long one leaves the core alone. */
  readonly shareOfWait: number
}

/** Shorter sleeps are not worth the call. */
const LEAST_MS = 0.01

/** Resolves with `promise`, sleeping between turns of the event loop. Rejections pass through. */
export async function throttledWait<T>(promise: Promise<T>, { mostMs, shareOfWait }: Pauses): Promise<T> {
  const startMs = performance.now()
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  promise.then(settle, settle)
  while (!isSettled) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    const pauseMs = Math.min(mostMs, shareOfWait * (performance.now() - startMs))
    if (!isSettled && pauseMs >= LEAST_MS) Atomics.wait(sleepCell, 0, 0, pauseMs)
  }
  return promise
}
