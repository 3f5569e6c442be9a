// Small wrong versions of a source file: one operator, constant or call changed in each. Text, comments and types' generics are left alone.

export interface Mutant {
  /** From 1. */
  readonly line: number
  readonly offset: number
  readonly from: string
  readonly to: string
}

/** Each with what it becomes. An operator counts with spaces around it only, which tells `a < b` from `Array<b>`. */
const RULES: readonly (readonly [pattern: RegExp, to: (found: string) => string])[] = [
  [/ <= /g, () => " < "],
  [/ >= /g, () => " > "],
  [/ < /g, () => " <= "],
  [/ > /g, () => " >= "],
  [/ === /g, () => " !== "],
  [/ !== /g, () => " === "],
  [/ && /g, () => " || "],
  [/ \|\| /g, () => " && "],
  [/ \?\? /g, () => " && "],
  [/ \+ /g, () => " - "],
  [/ - /g, () => " + "],
  [/ \* /g, () => " / "],
  [/ \/ /g, () => " * "],
  [/\btrue\b/g, () => "false"],
  [/\bfalse\b/g, () => "true"],
  [/\.some\(/g, () => ".every("],
  [/\.every\(/g, () => ".some("],
  [/\bMath\.max\(/g, () => "Math.min("],
  [/\bMath\.min\(/g, () => "Math.max("],
  [/\bNumber\.isFinite\(/g, () => "Boolean("],
  [/(?<=\()!(?=[a-z])/g, () => ""],
  [/(?<=[ ([-])\d+(?:_\d{3})*(?=[ ,;)\]]|$)/gm, (found) => String(Number(found.replaceAll("_", "")) + 1)],
]

/** Comments, texts and regular expressions as spaces, so that offsets stay. `${…}` inside a text is code. */
export function codeOnly(source: string): string {
  const masked = [...source]
  const blank = (from: number, to: number) => {
    for (let at = from; at < to; at += 1) if (masked[at] !== "\n") masked[at] = " "
  }
  const opaque =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|(?<=[(=:,] ?)\/(?:[^/\\\n]|\\.)+\/[a-z]*/g
  for (const { index, 0: found } of source.matchAll(opaque)) blank(index, index + found.length)
  for (const { index, 0: found } of source.matchAll(/`(?:[^`\\]|\\.)*`/g)) {
    let plainFrom = index
    for (const part of found.matchAll(/\$\{[^{}]*\}/g)) {
      blank(plainFrom, index + part.index)
      plainFrom = index + part.index + part[0].length
    }
    blank(plainFrom, index + found.length)
  }
  return masked.join("")
}

const isDeclaration = (line: string): boolean => /^\s*(?:import|export type|type|interface|readonly|\|)\b/.test(line)

/** Every mutant of a source, in its order. */
export function mutantsOf(source: string): Mutant[] {
  const code = codeOnly(source)
  const lines = source.split("\n")
  const lineOf = (offset: number) => source.slice(0, offset).split("\n").length
  return RULES.flatMap(([pattern, to]) =>
    [...code.matchAll(pattern)].map(({ index, 0: from }) => ({
      line: lineOf(index),
      offset: index,
      from: source.slice(index, index + from.length),
      to: to(from),
    })),
  )
    .filter(({ line }) => !isDeclaration(lines[line - 1]!))
    .sort((left, right) => left.offset - right.offset)
}

export function mutated(source: string, { offset, from, to }: Mutant): string {
  return source.slice(0, offset) + to + source.slice(offset + from.length)
}
