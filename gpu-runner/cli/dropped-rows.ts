// Tells which rows were left out and why, a few in full and the rest by number.
import { countReasons, type DroppedRow } from "#gpu-runner/data/rows/data-file.ts"

const SHOWN = 5

/** Lines for stderr. `source` is what the user named: the rows' file, or a folder of them. */
export function describeDropped(source: string, dropped: readonly DroppedRow[]): string {
  const shown = dropped
    .slice(0, SHOWN)
    .map(({ file, line, reason, detail }) => `${file}:${line}: dropped (${reason})${detail ? `: ${detail}` : ""}`)
  const counts = Object.entries(countReasons(dropped)).map(([reason, count]) => `${count} ${reason}`)
  return [...shown, `${source}: ${dropped.length} rows dropped: ${counts.join(", ")}`].join("\n")
}
