// Progress on stderr: one live line on a terminal, plain lines elsewhere (a line every few seconds, and the last one).

const PLAIN_INTERVAL_MS = 5000

export interface Progress {
  /** Shows the current state; `isLast` is always printed. */
  readonly show: (text: string, isLast?: boolean) => void
  /** Prints a line of its own that stays. */
  readonly note: (text: string) => void
  /** Takes the live line away: somebody else is about to write to the terminal. */
  readonly clear: () => void
}

/** Progress for this process's stderr. */
export function createProgress(
  stream: Pick<NodeJS.WriteStream, "isTTY" | "write" | "columns"> = process.stderr,
): Progress {
  let printedMs = Number.NEGATIVE_INFINITY
  let isLineOpen = false
  const endLine = () => {
    if (isLineOpen) stream.write("\r\u001b[K")
    isLineOpen = false
  }
  if (stream.isTTY) {
    return {
      show: (text, isLast = false) => {
        stream.write(`\r\u001b[K${text.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}${isLast ? "\n" : ""}`)
        isLineOpen = !isLast
      },
      note: (text) => {
        endLine()
        stream.write(`${text}\n`)
      },
      clear: endLine,
    }
  }
  return {
    show: (text, isLast = false) => {
      const nowMs = performance.now()
      if (!isLast && nowMs - printedMs < PLAIN_INTERVAL_MS) return
      printedMs = nowMs
      stream.write(`${text}\n`)
    },
    note: (text) => {
      stream.write(`${text}\n`)
    },
    clear: endLine,
  }
}
