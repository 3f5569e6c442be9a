// Results as Markdown tables, the way docs/performance.md has them.
import type { TaskResult } from "../measure.ts"
import { workOf } from "../tasks.ts"
import type { Range } from "./statistics.ts"

function digits(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function withRange({ median, least, most }: Range): string {
  return `${digits(median)} (${digits(least)}–${digits(most)})`
}

/** One table a task: rate, how many times the first system is as fast, by time and by processor time, correctness, and the first run's time. */
export function taskTable({ task, rows }: TaskResult): string {
  const { unit } = workOf(task)
  const heading = task.kind === "matmul" || task.kind === "attention" ? `${task.kind} ${task.name}` : task.name
  const columns = [`system`, unit, "Yohaku is × as fast", "by processor time", "error", "first run, s", "rounds"]
  const lines = [`### ${heading}`, "", line(columns), line(columns.map(() => "---"))]
  for (const row of rows) {
    if ("notRun" in row) {
      lines.push(line([row.system, `not run: ${row.notRun}`, "", "", "", "", ""]))
      continue
    }
    const ratios = [row.ratio, row.ratioByCpu].map((ratio) => (ratio ? withRange(ratio) : ""))
    const name = row.note ? `${row.system} (${row.note})` : row.system
    const first = (row.firstMs / 1000).toFixed(1)
    lines.push(line([name, withRange(row.rate), ...ratios, row.verdict.says, first, `${row.rounds.length}`]))
  }
  return `${lines.join("\n")}\n`
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`
}
