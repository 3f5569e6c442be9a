// What a command says while its gateway is waited for.

const REPEATED_MS = 60_000

/** Says why: at once, again every minute, and where something else stands in the way. */
export function awayNotes(
  url: string,
  note: (line: string) => void,
  nowMs: () => number = () => performance.now(),
): (why: string) => void {
  let told: { readonly why: string; readonly ms: number } | undefined
  return (why) => {
    const ms = nowMs()
    if (told?.why === why && ms - told.ms < REPEATED_MS) return
    told = { why, ms }
    note(`waiting for ${url}: ${why}; trying until it answers, Ctrl-C stops`)
  }
}
