// Tells of work that takes long: what is done in seconds takes a minute on a machine that is busy otherwise, and must not seem to hang.

const INTERVAL_MS = 5000

/** Does the work, and says every five seconds, until the signal, that it is still being done, and for how long. */
export const tellingHowLong = async <A>(
  what: string,
  { say, signal }: { readonly say: (line: string) => void; readonly signal: AbortSignal },
  work: () => Promise<A>,
): Promise<A> => {
  const startedMs = performance.now()
  const ticking = setInterval(() => {
    if (!signal.aborted) say(`${what}: ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
  }, INTERVAL_MS)
  try {
    return await work()
  } finally {
    clearInterval(ticking)
  }
}
