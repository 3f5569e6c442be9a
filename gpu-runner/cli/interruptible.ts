// Ctrl-C and SIGTERM for long commands: the first asks the work to stop at a good moment, the second ends the process.

/** Runs `body` with a signal that is aborted by the first interrupt, which is told to `onInterrupt`. */
export async function interruptible<T>(onInterrupt: () => void, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(130)
    onInterrupt()
    stop.abort()
  }
  process.on("SIGINT", interrupt)
  process.on("SIGTERM", interrupt)
  try {
    return await body(stop.signal)
  } finally {
    process.off("SIGINT", interrupt)
    process.off("SIGTERM", interrupt)
  }
}
