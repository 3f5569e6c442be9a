// Tells which rows were left out and why, a few in full and the rest by number, and which fields nobody read.
import { countReasons, type DroppedRow } from "#gpu-runner/data/rows/data-file.ts"
import { BAD_ROW } from "#gpu-runner/data/rows/preference-file.ts"

/** Of rows that state no preference, which real data has, and of rows that something is wrong with. */
const SHOWN = 5
const SHOWN_BAD = 20

/** Lines for stderr. `source` is what the user named: the rows' file, or a folder of them. */
export function describeDropped(
  source: string,
  dropped: readonly DroppedRow[],
  unread: readonly string[] = [],
): string {
  const lines = [...shownRows(dropped)]
  if (dropped.length > 0) {
    const counts = Object.entries(countReasons(dropped)).map(([reason, count]) => `${count} ${reason}`)
    lines.push(`${source}: ${dropped.length} rows dropped: ${counts.join(", ")}`)
  }
  if (unread.length > 0) {
    lines.push(`${source}: fields that nobody reads, left alone: ${unread.join(", ")} (--strict refuses them)`)
  }
  return lines.join("\n")
}

function shownRows(dropped: readonly DroppedRow[]): readonly string[] {
  const bad = dropped.filter(({ reason }) => reason === BAD_ROW).slice(0, SHOWN_BAD)
  const others = dropped.filter(({ reason }) => reason !== BAD_ROW).slice(0, SHOWN)
  return [...bad, ...others].map(
    ({ file, line, reason, detail }) => `${file}:${line}: dropped (${reason})${detail ? `: ${detail}` : ""}`,
  )
}
