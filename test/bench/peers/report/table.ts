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

/** One table a task: rate, how many times the first system is as fast, correctness, and the first run's time. */
export function taskTable({ task, rows }: TaskResult): string {
  const { unit } = workOf(task)
  const lines = [
    `### ${task.kind === "matmul" ? "matmul " : task.kind === "attention" ? "attention " : ""}${task.name}`,
    "",
    `| system | ${unit} | Yohaku is × as fast | error | first run, s | rounds |`,
    "| --- | --- | --- | --- | --- | --- |",
  ]
  for (const row of rows) {
    if ("notRun" in row) {
      lines.push(`| ${row.system} | not run: ${row.notRun} | | | | |`)
      continue
    }
    const name = row.note ? `${row.system} (${row.note})` : row.system
    const cells = [name, withRange(row.rate), row.ratio ? withRange(row.ratio) : "", row.verdict.says]
    lines.push(`| ${[...cells, (row.firstMs / 1000).toFixed(1), row.roundsMs.length].join(" | ")} |`)
  }
  return `${lines.join("\n")}\n`
}
