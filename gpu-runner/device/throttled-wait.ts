// Waiting for the GPU without stealing a core. dawn.node re-arms setImmediate while any promise is pending, which keeps the
// main thread at 100 %; on a software adapter that takes a core from the very work it waits for. Sleeping between turns gives it back.

const sleepCell = new Int32Array(new SharedArrayBuffer(4))

/**
 * Resolves with `promise`, letting one event-loop turn pass every `intervalMs` milliseconds.
 * The thread really sleeps in between, so timers and sockets are served only once a turn. Rejections pass through.
 */
export async function throttledWait<T>(promise: Promise<T>, intervalMs: number): Promise<T> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  promise.then(settle, settle)
  while (!isSettled) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (!isSettled) Atomics.wait(sleepCell, 0, 0, intervalMs)
  }
  return promise
}
