// An endpoint may say the key that it was sent, in any spelling. Nothing of what it says is kept or told with the key in it.
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

/** What is shorter is no secret, and stands in many an answer. */
const SHORTEST_KEY = 8
const MASK = "(the key)"
/** As deep as JSON is taken elsewhere; an endpoint's answer needs six. */
const MOST_DEPTH = 32

/** JSON is nested so deeply that whoever writes it again may run out of stack. */
export class TooDeep extends taggedError("TooDeep") {}

export interface KeyMask {
  readonly text: (text: string) => string
  /** Every text in a JSON value, and every name. Throws TooDeep. */
  readonly json: (value: unknown) => unknown
}

export function keyMask(apiKey = ""): KeyMask {
  const spelled = apiKey.length < SHORTEST_KEY ? undefined : anySpelling(apiKey)
  const text = (written: string) => (spelled === undefined ? written : written.replace(spelled, MASK))
  const json = (value: unknown, depth = 0): unknown => {
    if (typeof value === "string") return text(value)
    if (typeof value !== "object" || value === null) return value
    if (depth === MOST_DEPTH) throw new TooDeep(`an answer that is nested more than ${MOST_DEPTH} deep`)
    if (Array.isArray(value)) return value.map((item) => json(item, depth + 1))
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [text(name), json(item, depth + 1)]))
  }
  return { text, json: (value) => json(value) }
}

/** Its characters as they are, or each as JSON, JavaScript, an address or HTML may write it, escaped more than once where texts stand in texts. */
function anySpelling(key: string): RegExp {
  const spellings = [...key].map((character) => {
    const code = character.codePointAt(0)!
    const hex = code
      .toString(16)
      .padStart(2, "0")
      .replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
    const named =
      { "&": "|&(?:amp;)+", "<": "|&(?:amp;)*lt;", ">": "|&(?:amp;)*gt;", '"': "|&(?:amp;)*quot;" }[character] ?? ""
    const raw = character.replace(/[\\^$.*+?()[\]{}|]/, "\\$&")
    return `(?:\\\\{0,8}${raw}|\\\\{1,8}(?:u00|x)${hex}|%(?:25)*${hex}|&(?:amp;)*#0*${code};|&(?:amp;)*#[xX]0*${hex};${named})`
  })
  return new RegExp(spellings.join(""), "g")
}
