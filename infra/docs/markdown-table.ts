// Tables of Markdown with columns of one width, and their places in a page.

/** A bar inside a cell is escaped. */
export function markdownTable(head: readonly string[], content: readonly (readonly string[])[]): string {
  const rows = content.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")))
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => [...row[column]!].length)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => pad(cell, widths[i]!)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

/** By characters: padEnd counts a letter beyond the basic plane twice. */
function pad(cell: string, width: number): string {
  return cell + " ".repeat(width - [...cell].length)
}

/** The page with `content` between the comments of that name. Errors: RangeError for a page without them. */
export function withSection(page: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}: written by \`npm run format\` -->`, `<!-- end of ${name} -->`]
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < from) throw new RangeError(`the page has no "${start}" before "${end}"`)
  return `${page.slice(0, from + start.length)}\n\n${content}\n\n${page.slice(to)}`
}
