// The filters of jinja2 that chat templates use, with transformers' tojson.
import { bind, integer, text } from "./arguments.ts"
import { toJson } from "./json-output.ts"
import { changeCase } from "./letter-case.ts"
import { NUMBER_FILTERS } from "./number-filters.ts"
import { binary, lessThan } from "./operators.ts"
import { format } from "./percent-format.ts"
import { SPACE, textOf } from "./python-text.ts"
import {
  dictSort,
  extreme,
  first,
  getter,
  keyGetter,
  mapped,
  reverse,
  reversible,
  selected,
  sorted,
  sortKey,
  uniqueItems,
} from "./sequence-filters.ts"
import { replace, splitLines, strip } from "./string-methods.ts"
import {
  codePoints,
  Dict,
  Iteration,
  isTrue,
  itemsOf,
  iterate,
  lengthOf,
  type NamedValues,
  SafeText,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

export type Filter = (value: Value, args: readonly Value[], named: NamedValues) => Value

type Parameters = readonly (readonly [name: string, fallback?: Value])[]

function filter(parameters: Parameters, call: (value: Value, ...args: Value[]) => Value): Filter {
  return (value, args, named) => call(value, ...bind("the filter", parameters, args, named))
}

/** soft_str(value): Markup stays Markup, whose methods escape. */
function softText(value: Value): string {
  if (value instanceof SafeText) throw new UnsupportedConstruct("a filter of text marked safe")
  return textOf(value)
}

function indent(value: Value, width: Value, isFirst: Value, isBlank: Value): Value {
  const indention = typeof width === "string" ? width : " ".repeat(Math.max(0, Number(integer(width, "indent"))))
  const lines = splitLines(`${text(value, "the text to indent")}\n`)
  const indented = lines.map((line, index) => (index > 0 && (isTrue(isBlank) || line !== "") ? indention + line : line))
  return (isTrue(isFirst) ? indention : "") + indented.join("\n")
}

function title(value: Value): string {
  const pieces = softText(value).split(new RegExp(`([-${SPACE}({\\[<]+)`))
  return pieces
    .filter((piece) => piece !== "")
    .map((piece) => {
      const begin = String.fromCodePoint(piece.codePointAt(0)!)
      return begin.toUpperCase() + piece.slice(begin.length).toLowerCase()
    })
    .join("")
}

function truncate(value: Value, length: Value, killsWords: Value, end: Value, leeway: Value): Value {
  const ending = text(end, "end")
  const kept = Number(integer(length, "length")) - lengthOf(ending)!
  const slack = leeway === null ? 5 : Number(integer(leeway, "leeway"))
  if (kept < 0 || slack < 0) throw new TemplateError("truncate: length and leeway are too small")
  if ((lengthOf(value) ?? Number.POSITIVE_INFINITY) <= kept + lengthOf(ending)! + slack) return value
  const cut = [...codePoints(text(value, "the text to truncate"))].slice(0, kept).join("")
  const space = cut.lastIndexOf(" ")
  return (isTrue(killsWords) || space < 0 ? cut : cut.slice(0, space)) + ending
}

function json(value: Value, ensureAscii: Value, indention: Value, separators: Value, sortKeys: Value): string {
  const isOneLine = indention === null
  const pair = separators === null ? [isOneLine ? ", " : ",", ": "] : itemsOf(separators)
  if (pair.length !== 2) throw new TemplateError("tojson: separators must be two texts")
  return toJson(value, {
    ensureAscii: isTrue(ensureAscii),
    indent:
      indention === null || typeof indention === "string"
        ? (indention ?? undefined)
        : " ".repeat(Math.max(0, Number(integer(indention, "indent")))),
    itemSeparator: text(pair[0]!, "separator"),
    keySeparator: text(pair[1]!, "separator"),
    sortKeys: isTrue(sortKeys),
  })
}

const selecting =
  (isByAttribute: boolean, keeps: boolean): Filter =>
  (value, args, named) =>
    new Iteration(selected(value, args, named, { isByAttribute, keeps }))

const length: Filter = filter([], (value) => {
  const found = lengthOf(value)
  if (found === undefined) throw new TemplateError(`object of type '${typeName(value)}' has no len()`)
  return BigInt(found)
})
const fallback: Filter = filter(
  [
    ["default_value", ""],
    ["boolean", false],
  ],
  (value, instead, isFalseToo) =>
    value instanceof Undefined || (isTrue(isFalseToo!) && !isTrue(value)) ? instead! : value,
)

export const FILTERS: Readonly<Record<string, Filter>> = {
  ...NUMBER_FILTERS,
  capitalize: filter([], (value) => changeCase(softText(value), "capitalize")),
  count: length,
  d: fallback,
  default: fallback,
  dictsort: filter(
    [
      ["case_sensitive", false],
      ["by", "key"],
      ["reverse", false],
    ],
    (value, isCaseSensitive, by, isReverse) => dictSort(value, isCaseSensitive!, by!, isReverse!),
  ),
  first: filter([], first),
  format: (value, args, named) => {
    if (args.length > 0 && named.size > 0)
      throw new TemplateError("can't handle positional and keyword arguments at the same time")
    return format(softText(value), named.size > 0 ? Dict.of(named) : new Tuple(args))
  },
  indent: filter(
    [
      ["width", 4n],
      ["first", false],
      ["blank", false],
    ],
    (value, width, isFirst, isBlank) => indent(value, width!, isFirst!, isBlank!),
  ),
  items: filter([], (value) => {
    if (value instanceof Undefined) return new Iteration([])
    // jinja2 checks the type when the first pair is asked for; every use of the pairs asks for it.
    if (!(value instanceof Dict)) throw new TemplateError("Can only get item pairs from a mapping.")
    return new Iteration(value.pairs().map((pair) => new Tuple(pair)))
  }),
  join: filter(
    [
      ["d", ""],
      ["attribute", null],
    ],
    (value, separator, attribute) => {
      const get = getter(attribute!)
      return Array.from(iterate(value), (each) => textOf(get(each))).join(textOf(separator!))
    },
  ),
  last: filter([], (value) => {
    const items = reversible(value)
    return items.length > 0 ? items[items.length - 1]! : new Undefined("No last item, sequence was empty.")
  }),
  length,
  list: filter([], (value) => [...itemsOf(value)]),
  lower: filter([], (value) => softText(value).toLowerCase()),
  map: (value, args, named) => new Iteration(mapped(value, args, named, FILTERS)),
  max: filter(
    [
      ["case_sensitive", false],
      ["attribute", null],
    ],
    (value, isCaseSensitive, attribute) =>
      extreme(value, keyGetter(attribute!, isCaseSensitive!), (a, b) => lessThan(b, a, ">")),
  ),
  min: filter(
    [
      ["case_sensitive", false],
      ["attribute", null],
    ],
    (value, isCaseSensitive, attribute) => extreme(value, keyGetter(attribute!, isCaseSensitive!), lessThan),
  ),
  reject: selecting(false, false),
  rejectattr: selecting(true, false),
  replace: filter([["old"], ["new"], ["count", null]], (value, old, by, most) =>
    replace(textOf(value), textOf(old!), textOf(by!), most === null ? -1n : integer(most!, "replace")),
  ),
  reverse: filter([], reverse),
  safe: filter([], (value) => new SafeText(textOf(value))),
  select: selecting(false, true),
  selectattr: selecting(true, true),
  sort: filter(
    [
      ["reverse", false],
      ["case_sensitive", false],
      ["attribute", null],
    ],
    (value, isReverse, isCaseSensitive, attribute) =>
      sorted(itemsOf(value), sortKey(attribute!, isCaseSensitive!), isTrue(isReverse!)),
  ),
  string: filter([], (value) => (value instanceof SafeText ? value : textOf(value))),
  sum: filter(
    [
      ["attribute", null],
      ["start", 0n],
    ],
    (value, attribute, start) => {
      if (typeof start === "string") throw new TemplateError("sum() can't sum strings")
      const get = getter(attribute!)
      let total: Value = start as Value
      for (const each of iterate(value)) total = binary("+", total, get(each))
      // Since 3.12 Python sums floats with compensation.
      if (typeof total === "number") throw new UnsupportedConstruct("the sum of floats")
      return total
    },
  ),
  title: filter([], title),
  tojson: filter(
    [
      ["ensure_ascii", false],
      ["indent", null],
      ["separators", null],
      ["sort_keys", false],
    ],
    (value, ensureAscii, indention, separators, sortKeys) =>
      json(value, ensureAscii!, indention!, separators!, sortKeys!),
  ),
  trim: filter([["chars", null]], (value, characters) => strip(softText(value), characters!)),
  truncate: filter(
    [
      ["length", 255n],
      ["killwords", false],
      ["end", "..."],
      ["leeway", null],
    ],
    (value, size, killsWords, end, leeway) => truncate(value, size!, killsWords!, end!, leeway!),
  ),
  unique: filter(
    [
      ["case_sensitive", false],
      ["attribute", null],
    ],
    (value, isCaseSensitive, attribute) => new Iteration(uniqueItems(value, keyGetter(attribute!, isCaseSensitive!))),
  ),
  upper: filter([], (value) => softText(value).toUpperCase()),
}
