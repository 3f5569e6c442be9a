// Being told to end.

/**
 * Resolves at the first signal, after `tell`: ending the parts takes seconds. The listeners stay: Ctrl-C reaches a process from the terminal and again from its launcher, and the
 * second signal must not end it while it is still stopping its parts.
 */
export const untilStopped = (tell: () => void): Promise<void> => {
  let isTold = false
  return new Promise((resolve) => {
    const stop = () => {
      if (!isTold) tell()
      isTold = true
      resolve()
    }
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop)
  })
}
