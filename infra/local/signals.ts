// Being told to end.

/**
 * Resolves at the first signal. The listeners stay: Ctrl-C reaches a process from the terminal and again from its launcher, and the
 * second signal must not end it while it is still stopping its parts.
 */
export const untilStopped = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve())
  })
