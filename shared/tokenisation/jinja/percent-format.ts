// Python's two ways to format text: "%s" % values, and "{}".format(values). Conversions of floats to significant digits
// (%e, %g) are refused.
import { reprOf, textOf, toFixedExactly } from "./python-text.ts"
import {
  codePoints,
  Dict,
  Range,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

const CONVERSION = /%(?:\(([^()]*)\))?([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?([\s\S]?)/g

/** format % values, of printf-style conversions. */
export function format(template: string, values: Value): string {
  const items = values instanceof Tuple ? values.items : undefined
  let next = 0
  let isNamed = false
  const take = (name: string | undefined): Value => {
    if (name !== undefined) {
      if (!(values instanceof Dict)) throw new TemplateError("format requires a mapping")
      const found = values.get(name)
      if (found === undefined) throw new TemplateError(`KeyError: ${reprOf(name)}`)
      isNamed = true
      return found
    }
    if (items === undefined && next++ === 0) return values
    if (items === undefined || next >= items.length) throw new TemplateError("not enough arguments for format string")
    return items[next++]!
  }
  const text = template.replace(CONVERSION, (_, name, flags, width, precision, conversion) => {
    if (width === "*" || precision === "*") throw new UnsupportedConstruct('"*" in a format')
    if (conversion === "%") {
      if (flags || width !== undefined) throw new UnsupportedConstruct("%% with flags")
      return "%"
    }
    if (conversion === "") throw new TemplateError("incomplete format")
    const spec = {
      flags,
      width: Number(width ?? 0),
      precision: precision === undefined ? undefined : Number(precision),
    }
    return convert(conversion, take(name), spec)
  })
  const isMapping =
    values instanceof Dict || Array.isArray(values) || values instanceof Undefined || values instanceof Range
  const left = items === undefined ? (next > 0 || isNamed || isMapping ? 0 : 1) : items.length - next
  if (left > 0) throw new TemplateError("not all arguments converted during string formatting")
  return text
}

interface PercentSpec {
  readonly flags: string
  readonly width: number
  readonly precision: number | undefined
}

function convert(conversion: string, value: Value, { flags, width, precision }: PercentSpec): string {
  if (conversion === "s" || conversion === "r") {
    const text = conversion === "s" ? textOf(value) : reprOf(value)
    const cut = precision === undefined ? text : [...codePoints(text)].slice(0, precision).join("")
    return pad(cut, width, flags.includes("-") ? "<" : ">", " ")
  }
  if (!"diufF".includes(conversion)) {
    if ("aboxXeEgGc".includes(conversion)) throw new UnsupportedConstruct(`%${conversion}`)
    throw new TemplateError(`unsupported format character '${conversion}'`)
  }
  if (flags.includes("#")) throw new UnsupportedConstruct("# in a format")
  const number = typeof value === "boolean" ? (value ? 1n : 0n) : value
  if (typeof number !== "bigint" && typeof number !== "number") {
    throw new TemplateError(`%${conversion} format: a real number is required, not ${typeName(value)}`)
  }
  if (typeof number === "number" && !Number.isFinite(number)) throw new UnsupportedConstruct("formatting of infinity")
  const isDecimal = "diu".includes(conversion)
  const whole = isDecimal && typeof number === "number" ? BigInt(Math.trunc(number)) : number
  const digits = isDecimal ? whole.toString() : toFixedExactly(Number(number), precision ?? 6)
  const padded =
    isDecimal && precision !== undefined ? digits.replace(/\d+/, (all) => all.padStart(precision, "0")) : digits
  return padNumber(signed(padded, flags), width, flags.includes("-") ? "<" : flags.includes("0") ? "=" : ">")
}

function signed(digits: string, flags: string): string {
  if (digits.startsWith("-")) return digits
  return flags.includes("+") ? `+${digits}` : flags.includes(" ") ? ` ${digits}` : digits
}

function padNumber(text: string, width: number, align: string, fill = align === "=" ? "0" : " "): string {
  if (align !== "=") return pad(text, width, align, fill)
  const sign = /^[-+ ]/.exec(text)?.[0] ?? ""
  return sign + text.slice(sign.length).padStart(width - sign.length, fill)
}

function pad(text: string, width: number, align: string, fill: string): string {
  const missing = width - codePoints(text).length
  if (missing <= 0) return text
  const before = align === ">" ? missing : align === "^" ? Math.floor(missing / 2) : 0
  return fill.repeat(before) + text + fill.repeat(missing - before)
}

const FIELD = /\{\{|\}\}|\{([^{}!:]*)(?:!([^{}:]*))?(?::([^{}]*))?\}|[{}]/g

/** text.format(...); `look` is how templates look up members, for fields such as {0.name}. */
export function formatBraces(template: string, args: readonly Value[], named: ReadonlyMap<string, Value>): string {
  let automatic = 0
  let isManual = false
  const fieldOf = (field: string): Value => {
    if (/[.[]/.test(field)) throw new UnsupportedConstruct("a member in a format field")
    if (field === "" || /^\d+$/.test(field)) {
      if (field === "" ? isManual : automatic > 0) {
        throw new TemplateError("cannot mix automatic and manual field numbering")
      }
      isManual ||= field !== ""
      const found = args[field === "" ? automatic++ : Number(field)]
      if (found === undefined) throw new TemplateError("Replacement index out of range for positional args tuple")
      return found
    }
    const found = named.get(field)
    if (found === undefined) throw new TemplateError(`KeyError: ${reprOf(field)}`)
    return found
  }
  return template.replace(FIELD, (all, field: string | undefined, conversion?: string, spec?: string) => {
    if (field === undefined) {
      if (all === "{{" || all === "}}") return all[0]!
      if (/\{[^}]*\{/.test(template)) throw new UnsupportedConstruct("a format field inside a format field")
      throw new TemplateError(`Single '${all}' encountered in format string`)
    }
    const value = fieldOf(field)
    if (conversion === undefined) return formatValue(value, spec ?? "")
    if (conversion !== "s" && conversion !== "r") throw new UnsupportedConstruct(`the conversion !${conversion}`)
    return formatValue(conversion === "s" ? textOf(value) : reprOf(value), spec ?? "")
  })
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(0)?(\d+)?(,)?(?:\.(\d+))?([a-zA-Z%])?$/u

function formatValue(value: Value, spec: string): string {
  if (spec === "") return textOf(value)
  const [, fill, align, sign = "", zero, width = "0", comma, precision, type] = SPEC.exec(spec) ?? refuseSpec(spec)
  const size = Number(width)
  if (typeof value === "string") {
    if (sign || comma || align === "=" || (zero && !align) || (type && type !== "s")) refuseSpec(spec)
    const cut = precision === undefined ? value : [...codePoints(value)].slice(0, Number(precision)).join("")
    return pad(cut, size, align ?? "<", fill ?? (zero ? "0" : " "))
  }
  const isInteger = typeof value === "bigint" && (type === undefined || type === "d") && precision === undefined
  const isFixed = (typeof value === "bigint" || typeof value === "number") && (type === "f" || type === "F")
  if (!isInteger && !isFixed) return refuseSpec(spec)
  if (typeof value === "number" && !Number.isFinite(value)) throw new UnsupportedConstruct("formatting of infinity")
  if (comma && (zero || align === "=")) return refuseSpec(spec)
  const digits = isInteger ? String(value) : toFixedExactly(Number(value), Number(precision ?? 6))
  const grouped = comma ? digits.replace(/\B(?<!\.\d*)(?=(?:\d{3})+(?!\d))/g, ",") : digits
  return padNumber(signed(grouped, sign), size, align ?? (zero ? "=" : ">"), fill ?? (zero ? "0" : " "))
}

function refuseSpec(spec: string): never {
  throw new UnsupportedConstruct(`the format "${spec}" of this value`)
}
