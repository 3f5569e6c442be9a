// The methods of Python's str that templates call, counted in code points and with Python's white space.
import { bind, integer, text } from "./arguments.ts"
import { changeCase, isCased } from "./letter-case.ts"
import { formatBraces } from "./percent-format.ts"
import { SPACE } from "./python-text.ts"
import {
  codePoints,
  iterate,
  lengthOf,
  type NamedValues,
  TemplateError,
  Tuple,
  typeName,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

type Method = (self: string, args: readonly Value[], named: NamedValues) => Value

/** A method without keyword arguments, whose parameters are bound by position. */
function positional(name: string, parameters: readonly Value[], call: (self: string, args: Value[]) => Value): Method {
  const bound = parameters.map((fallback, index) => (fallback === REQUIRED ? [`${index}`] : [`${index}`, fallback]))
  return (self, args, named) => {
    if (named.size > 0) throw new TemplateError(`str.${name}() takes no keyword arguments`)
    return call(self, bind(`str.${name}()`, bound as [string][], args, named))
  }
}

const REQUIRED = "\0required"

const LEADING_SPACE = new RegExp(`^[${SPACE}]+`)
const TRAILING_SPACE = new RegExp(`[${SPACE}]+$`)
const LINE_ENDS = "\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029"
const LINE_END = new RegExp(`\\r\\n|[${LINE_ENDS}]`, "g")

/** text.strip(characters); null strips white space. */
export function strip(self: string, characters: Value, side: "both" | "left" | "right" = "both"): string {
  if (characters === null) {
    const begun = side === "right" ? self : self.replace(LEADING_SPACE, "")
    return side === "left" ? begun : stripTrailingSpace(begun)
  }
  const stripped = new Set(codePoints(text(characters, "strip arg")))
  const all = codePoints(self)
  let start = 0
  let end = all.length
  if (side !== "right") while (start < end && stripped.has(all[start]!)) start++
  if (side !== "left") while (end > start && stripped.has(all[end - 1]!)) end--
  return typeof all === "string" ? all.slice(start, end) : all.slice(start, end).join("")
}

/** Without the regular expression's backtracking over long runs of spaces inside. */
export function stripTrailingSpace(self: string): string {
  let end = self.length
  while (end > 0 && TRAILING_SPACE.test(self[end - 1]!)) end--
  return self.slice(0, end)
}

function split(self: string, separator: Value, most: bigint, fromRight: boolean): string[] {
  if (separator === null) return splitAtSpace(self, most, fromRight)
  const by = text(separator, "sep")
  if (by === "") throw new TemplateError("empty separator")
  const parts = self.split(by)
  if (most < 0n || BigInt(parts.length - 1) <= most) return parts
  const kept = Number(most)
  if (fromRight) return [parts.slice(0, parts.length - kept).join(by), ...parts.slice(parts.length - kept)]
  return [...parts.slice(0, kept), parts.slice(kept).join(by)]
}

function splitAtSpace(self: string, most: bigint, fromRight: boolean): string[] {
  const words = [...self.matchAll(new RegExp(`[^${SPACE}]+`, "g"))]
  if (most < 0n || BigInt(words.length) <= most) return words.map(([word]) => word)
  const kept = Number(most)
  const plain = (part: typeof words) => part.map(([word]) => word)
  if (fromRight) {
    const last = words[words.length - kept - 1]!
    return [self.slice(0, last.index + last[0].length), ...plain(words.slice(words.length - kept))]
  }
  return [...plain(words.slice(0, kept)), self.slice(words[kept]!.index)]
}

/** Lines at every line end that Python knows, without the ends. */
export function splitLines(self: string, keepsEnds = false): string[] {
  const lines: string[] = []
  let start = 0
  for (const end of self.matchAll(LINE_END)) {
    lines.push(self.slice(start, keepsEnds ? end.index + end[0].length : end.index))
    start = end.index + end[0].length
  }
  if (start < self.length) lines.push(self.slice(start))
  return lines
}

export function replace(self: string, old: string, by: string, most: bigint): string {
  if (most < 0n && old !== "") return self.replaceAll(old, () => by)
  const parts = old === "" ? ["", ...codePoints(self), ""] : self.split(old)
  const count = most < 0n ? parts.length - 1 : Math.min(Number(most), parts.length - 1)
  let result = parts[0]!
  for (let index = 1; index < parts.length; index++) result += (index <= count ? by : old) + parts[index]
  return result
}

/** self[start:end] as Python slices, of code points. */
function part(self: string, start: Value, end: Value, owner: string): string | undefined {
  const all = codePoints(self)
  const clamp = (value: Value, fallback: number) => {
    if (value === null) return fallback
    const at = Number(integer(value, owner))
    return at < 0 ? Math.max(0, at + all.length) : at
  }
  const [from, to] = [clamp(start, 0), Math.min(clamp(end, all.length), all.length)]
  if (from > to) return undefined
  return typeof all === "string" ? all.slice(from, to) : all.slice(from, to).join("")
}

function isAtEdge(edge: "startsWith" | "endsWith"): Method {
  const owner = edge.toLowerCase()
  return positional(owner, [REQUIRED, null, null], (self, [affix, start, end]) => {
    const affixes = affix instanceof Tuple ? affix.items : [affix!]
    const searched = part(self, start!, end!, owner)
    return affixes.map((each) => text(each, `${owner} first arg`)).some((each) => searched?.[edge](each) ?? false)
  })
}

/** find and its relatives; −1, or what `absent` throws, where there is none. */
function search(name: string, fromRight: boolean, raises: boolean): Method {
  return positional(name, [REQUIRED, null, null], (self, [needle, start, end]) => {
    const wanted = text(needle!, `${name}() argument`)
    const searched = part(self, start!, end!, name)
    const unit = searched === undefined ? -1 : fromRight ? searched.lastIndexOf(wanted) : searched.indexOf(wanted)
    if (unit < 0) {
      if (raises) throw new TemplateError("substring not found")
      return -1n
    }
    const given = start === null ? 0n : integer(start!, name)
    const length = BigInt(codePoints(self).length)
    const from = given < 0n ? (given + length < 0n ? 0n : given + length) : given
    return from + BigInt(codePoints(searched!.slice(0, unit)).length)
  })
}

function partition(name: string, fromRight: boolean): Method {
  return positional(name, [REQUIRED], (self, [separator]) => {
    const by = text(separator!, "sep")
    if (by === "") throw new TemplateError("empty separator")
    const at = fromRight ? self.lastIndexOf(by) : self.indexOf(by)
    if (at < 0) return new Tuple(fromRight ? ["", "", self] : [self, "", ""])
    return new Tuple([self.slice(0, at), by, self.slice(at + by.length)])
  })
}

function count(self: string, needle: string): bigint {
  return BigInt(needle === "" ? codePoints(self).length + 1 : self.split(needle).length - 1)
}

function join(self: string, items: Value): string {
  return Array.from(iterate(items), (item, index) => text(item, `sequence item ${index}`)).join(self)
}

function justify(name: string, align: "left" | "right" | "both"): Method {
  return positional(name, [REQUIRED, " "], (self, [width, fill]) => {
    const filler = text(fill!, "The fill character")
    if (lengthOf(filler) !== 1) throw new TemplateError("The fill character must be exactly one character long")
    const missing = Number(integer(width!, name)) - lengthOf(self)!
    if (missing <= 0) return self
    if (align !== "both") return align === "left" ? self + filler.repeat(missing) : filler.repeat(missing) + self
    const before = Math.floor(missing / 2) + (missing & 1 & (missing + lengthOf(self)!))
    return filler.repeat(before) + self + filler.repeat(missing - before)
  })
}

function zfill(self: string, width: Value): string {
  const sign = /^[-+]/.exec(self)?.[0] ?? ""
  const missing = Number(integer(width, "zfill")) - lengthOf(self)!
  return missing > 0 ? sign + "0".repeat(missing) + self.slice(sign.length) : self
}

/** True of text that is not empty and of which every character matches. */
function every(pattern: RegExp, doubtful?: RegExp): Method {
  return positional("is…", [], (self) => {
    if (doubtful?.test(self)) throw new UnsupportedConstruct("a test for digits of characters that are digits in part")
    return pattern.test(self)
  })
}

const strips = (name: string, side: "both" | "left" | "right") =>
  positional(name, [null], (self, [characters]) => strip(self, characters!, side))
const cases = (name: Parameters<typeof changeCase>[1]) => positional(name, [], (self) => changeCase(self, name))
const splits =
  (name: string, fromRight: boolean): Method =>
  (self, args, named) => {
    const [separator, most] = bind(
      `${name}()`,
      [
        ["sep", null],
        ["maxsplit", -1n],
      ],
      args,
      named,
    )
    return split(self, separator!, integer(most!, name), fromRight)
  }
const removes = (name: string, edge: "startsWith" | "endsWith") =>
  positional(name, [REQUIRED], (self, [affix]) => {
    const removed = text(affix!, `${name}() argument`)
    if (removed === "" || !self[edge](removed)) return self
    return edge === "startsWith" ? self.slice(removed.length) : self.slice(0, -removed.length)
  })

export const STRING_METHODS: Readonly<Record<string, Method>> = {
  strip: strips("strip", "both"),
  lstrip: strips("lstrip", "left"),
  rstrip: strips("rstrip", "right"),
  split: splits("split", false),
  rsplit: splits("rsplit", true),
  splitlines: (self, args, named) => {
    const [keepsEnds] = bind("splitlines()", [["keepends", false]], args, named)
    return splitLines(self, integer(keepsEnds!, "splitlines") !== 0n)
  },
  replace: positional("replace", [REQUIRED, REQUIRED, -1n], (self, [old, by, most]) =>
    replace(self, text(old!, "replace() argument 1"), text(by!, "replace() argument 2"), integer(most!, "replace")),
  ),
  startswith: isAtEdge("startsWith"),
  endswith: isAtEdge("endsWith"),
  find: search("find", false, false),
  rfind: search("rfind", true, false),
  index: search("index", false, true),
  rindex: search("rindex", true, true),
  count: positional("count", [REQUIRED], (self, [needle]) => count(self, text(needle!, "count() argument"))),
  partition: partition("partition", false),
  rpartition: partition("rpartition", true),
  removeprefix: removes("removeprefix", "startsWith"),
  removesuffix: removes("removesuffix", "endsWith"),
  join: positional("join", [REQUIRED], (self, [items]) => join(self, items!)),
  format: (self, args, named) => formatBraces(self, args, named),
  ljust: justify("ljust", "left"),
  rjust: justify("rjust", "right"),
  center: justify("center", "both"),
  zfill: positional("zfill", [REQUIRED], (self, [width]) => zfill(self, width!)),
  upper: cases("upper"),
  lower: cases("lower"),
  capitalize: cases("capitalize"),
  title: cases("title"),
  isupper: positional("isupper", [], (self) => isCased(self, "upper")),
  islower: positional("islower", [], (self) => isCased(self, "lower")),
  isspace: every(new RegExp(`^[${SPACE}]+$`)),
  isalpha: every(/^\p{L}+$/u),
  isalnum: every(/^[\p{L}\p{N}]+$/u),
  isdecimal: every(/^\p{Nd}+$/u),
  isdigit: every(/^\p{Nd}+$/u, /\p{No}/u),
  isnumeric: every(/^\p{N}+$/u, /\p{Lo}/u),
}

/** Of typeName's types: methods and properties that Python has and templates are refused, so that they are not taken for keys. */
export function unsupportedMember(value: Value, name: string): never {
  throw new UnsupportedConstruct(`${typeName(value)}.${name}`)
}
