// JSON and texts that an API must answer with a problem or as what they are, never with a failure: wrong types, bounds overrun,
// numbers and strings that only the wire can hold, keys that reach a prototype, repeated keys, nesting, and bytes that are no JSON.
import { gzipSync } from "node:zlib"
import type { Random } from "./Random.ts"

/** Text that goes onto the wire as it is, where JSON.stringify would write something else. */
export class Wire {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** A member that is written twice, which no object of JavaScript can hold. */
class Repeated {
  readonly first: unknown
  readonly second: unknown
  constructor(first: unknown, second: unknown) {
    this.first = first
    this.second = second
  }
}

/** JSON of a value in which `Wire` and repeated keys may stand. */
export const wireText = (value: unknown): string => {
  if (value instanceof Wire) return value.text
  if (value instanceof Repeated) return wireText(value.first)
  if (Array.isArray(value)) return `[${value.map(wireText).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  const member = (key: string, held: unknown): string =>
    held instanceof Repeated
      ? `${member(key, held.first)},${member(key, held.second)}`
      : `${JSON.stringify(key)}:${wireText(held)}`
  return `{${Object.entries(value)
    .map(([key, held]) => member(key, held))
    .join(",")}}`
}

const nested = (depth: number, open: string, close: string): Wire => new Wire(open.repeat(depth) + close.repeat(depth))

const hostileValues: readonly (() => unknown)[] = [
  ...[
    null,
    true,
    false,
    0,
    -0,
    -1,
    0.5,
    1e308,
    -1e308,
    5e-324,
    2 ** 53,
    -(2 ** 53),
    "",
    " ",
    "0",
    "true",
    "null",
    "NaN",
    [],
    {},
  ].map((value) => () => value),
  ...["1e999", "-1e999", "NaN", "Infinity", "9007199254740993", "18446744073709551616", "01", "0x1", "undefined"].map(
    (text) => () => new Wire(text),
  ),
  ...['"\\ud800"', '"\\udc00x"', '"\\u0000"', '"a\\u0000b"', '"\\x"', '"\n"', "'a'", '{"__proto__":{"a":1}}'].map(
    (text) => () => new Wire(text),
  ),
  () => new Wire('{"constructor":{"prototype":{"a":1}}}'),
  () => nested(31, "[", "]"),
  () => nested(33, "[", "]"),
  () => nested(5000, "[", "]"),
  () => nested(100_000, "[", "]"),
  () => nested(33, '{"a":', "}"),
  () => "x".repeat(513),
  () => "x".repeat(262_145),
  () => "茶".repeat(100_000),
  () => "👩‍🔬".repeat(500),
  () => "\u202e\u200d\ufeff\u0301".repeat(20),
  () => "a b ".repeat(30_000),
  () => Array.from({ length: 65 }, (_, index) => index),
  () => Array.from({ length: 20_000 }, () => null),
  () => Array.from({ length: 3000 }, () => ({ role: "user", content: "x" })),
  () => Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, index])),
  () => "../../etc/passwd",
  () => "'; DROP TABLE comparisons; --",
  () => "%00%ff",
  () => "9999-12-31T23:59:59Z",
  () => "0000-00-00",
  () => "2026-02-30T25:61:00+99:99",
  () => "-271821-04-20T00:00:00.000Z",
]

export const hostileValue = (random: Random): unknown => random.pick(hostileValues)()

type Holder = Record<string, unknown>

const placesIn = (value: unknown): [Holder, string][] => {
  const places: [Holder, string][] = []
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return
    for (const key of Object.keys(node)) {
      places.push([node as Holder, key])
      visit((node as Holder)[key])
    }
  }
  visit(value)
  return places
}

/** The value with one of its parts replaced, left out, doubled, wrapped or joined by an unknown one; or another value altogether. */
export const spoiled = (value: unknown, random: Random): unknown => {
  const copy = structuredClone(value)
  const places = placesIn(copy)
  if (places.length === 0 || random.chance(0.04)) return hostileValue(random)
  const [holder, key] = random.pick(places)
  const held = holder[key]
  switch (random.weighted({ replace: 60, remove: 12, add: 8, repeat: 6, wrap: 6, text: 4, rename: 4 })) {
    case "replace":
      holder[key] = hostileValue(random)
      break
    case "remove":
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      break
    case "add":
      holder[random.pick(["unknown", "", "id", "toString", "hasOwnProperty", "x".repeat(5000)])] = hostileValue(random)
      break
    case "repeat":
      holder[key] = new Repeated(held, random.chance(0.5) ? held : hostileValue(random))
      break
    case "wrap":
      holder[key] = random.chance(0.5) ? [held] : { value: held }
      break
    case "text":
      holder[key] = JSON.stringify(held)
      break
    case "rename":
      delete holder[key]
      holder[key.toUpperCase()] = held
      break
  }
  return copy
}

const join = (...parts: readonly (Uint8Array | string)[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part))))

/** The bytes cut, disturbed, wrongly encoded, padded beyond the limits, or none at all. */
export const spoiledBytes = (bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> => {
  const kind = {
    cut: 4,
    flip: 5,
    bom: 1,
    utf16: 1,
    invalid: 2,
    none: 2,
    trailing: 2,
    padded: 0.3,
    gzip: 1,
    noise: 2,
    twice: 1,
  }
  const at = random.below(bytes.length + 1)
  switch (random.weighted(kind)) {
    case "cut":
      return join(bytes.subarray(0, at))
    case "flip":
      return join(bytes.subarray(0, at), Uint8Array.of(random.below(256)), bytes.subarray(at + 1))
    case "bom":
      return join("\ufeff", bytes)
    case "utf16":
      return join(Buffer.from(Buffer.from(bytes).toString("utf8"), "utf16le"))
    case "invalid":
      return join(bytes.subarray(0, at), Uint8Array.of(0xff, 0xc0, 0x80), bytes.subarray(at))
    case "none":
      return join()
    case "trailing":
      return join(bytes, random.pick(["}", ",", "\n{}", "\0", " // no"]))
    case "padded":
      return join(bytes, " ".repeat(1024 * 1024))
    case "gzip":
      return join(gzipSync(bytes))
    case "noise":
      return join(Uint8Array.from({ length: random.below(400) }, () => random.below(256)))
    case "twice":
      return join(bytes, bytes)
  }
}
