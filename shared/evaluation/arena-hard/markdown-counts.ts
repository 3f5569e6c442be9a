// Headers, list items and bold passages of an answer outside its fenced code, counted as Arena-Hard counts them. Tokens are the tokenizer's to count.

export interface MarkdownCounts {
  readonly headers: number
  readonly lists: number
  readonly bold: number
}

// What Python's re takes for white space, a line's start and a digit: another set than JavaScript's \s, ^ and \d.
const SPACE_IN_LINE = "\\t\\v\\f\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
const SPACE = `[\\n${SPACE_IN_LINE}]`
const LINE_START = "(?<![^\\n])"
/** Space before a marker may span lines in the original; of these the marker's own line is enough, and it keeps the search linear. */
const INDENTED = `${LINE_START}[${SPACE_IN_LINE}]*`

const HEADER = new RegExp(`${LINE_START}#{1,6}${SPACE}`, "gu")
const ORDERED = new RegExp(`${INDENTED}\\p{Nd}+\\.${SPACE}`, "gu")
const UNORDERED = new RegExp(`${INDENTED}[-*+]${SPACE}`, "gu")
const BOLD = [/\*\*[^*\n]+\*\*/g, /__[^_\n]+__/g]
const FENCED = /```([^`]*)```/g

const countOf = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0

/** As stored beside answers in Arena-Hard's files, of both versions. */
export function markdownCounts(answer: string): MarkdownCounts {
  const text = withoutCode(answer)
  return {
    headers: countOf(text, HEADER),
    lists: countOf(text, ORDERED) + countOf(text, UNORDERED),
    bold: BOLD.reduce((sum, pattern) => sum + countOf(text, pattern), 0),
  }
}

/** Every occurrence of what stands between fences goes, also outside of them; the fences stay. */
function withoutCode(answer: string): string {
  const blocks = [...answer.matchAll(FENCED)].map(([, inner]) => inner!)
  return blocks.reduce((text, block) => (block === "" ? text : text.replaceAll(block, "")), answer)
}
