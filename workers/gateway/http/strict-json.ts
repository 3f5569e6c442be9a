// JSON from outside, read so strictly that no later step can be surprised: valid UTF-8 only (a byte order mark before it, as
// Windows writes it, is passed over), no lone surrogates, no NUL, no key that reaches a prototype, no repeated key, bounded
// depth (checked before anything recursive runs), finite numbers. What a labelling tool sends holds much that nobody reads: there only
// what is read of it must be so, as in a file.
import { Result } from "effect"
import { findDuplicateKey } from "#shared/formats/json-object.ts"
import { MOST_LEVELS } from "#shared/judgement/sources/well-formed.ts"
import { LIMITS } from "#shared/wire/limits.ts"

export interface StrictJson {
  readonly text: string
  readonly value: unknown
}

const DANGEROUS_KEYS = new Set(["__proto__", "constructor", "prototype"])

/** Nesting of a JSON text, without parsing it. */
const depthOf = (text: string): number => {
  let depth = 0
  let deepest = 0
  for (let index = 0; index < text.length; index++) {
    const character = text.charCodeAt(index)
    if (character === 0x22) {
      for (index++; index < text.length && text.charCodeAt(index) !== 0x22; index++)
        if (text.charCodeAt(index) === 0x5c) index++
    } else if (character === 0x7b || character === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (character === 0x7d || character === 0x5d) depth--
  }
  return deepest
}

const faultOfString = (text: string): string | undefined => {
  if (!text.isWellFormed()) return "a string holds a lone surrogate; send whole characters"
  return text.includes("\0") ? "a string holds the character NUL; remove it" : undefined
}

const faultOfKey = (key: string): string | undefined =>
  DANGEROUS_KEYS.has(key) ? `the key ${JSON.stringify(key)} is not allowed; rename it` : faultOfString(key)

/** Why a value may not be stored; undefined where it may. Recursive, which is safe because the depth was checked. */
export const faultOfValue = (value: unknown): string | undefined => {
  if (typeof value === "string") return faultOfString(value)
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "a number is too large for JSON readers"
  if (typeof value !== "object" || value === null) return undefined
  for (const [key, member] of Object.entries(value)) {
    const fault = (Array.isArray(value) ? undefined : faultOfKey(key)) ?? faultOfValue(member)
    if (fault !== undefined) return fault
  }
  return undefined
}

const parse = (text: string): Result.Result<unknown, string> =>
  Result.try({ try: () => JSON.parse(text) as unknown, catch: () => "it does not parse; send one JSON value" })

/** Reads one JSON value of which only some is read: nothing is asked of its texts, keys and numbers. */
export const parseForeignJson = (
  bytes: Uint8Array,
  mostLevels: number = MOST_LEVELS,
): Result.Result<StrictJson, string> =>
  Result.gen(function* () {
    const text = yield* Result.try({
      try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes),
      catch: () => "it is not valid UTF-8; encode it as UTF-8",
    })
    if (depthOf(text) > mostLevels) return yield* Result.fail(`it is nested deeper than ${mostLevels}; flatten it`)
    const value = yield* parse(text)
    const repeated = findDuplicateKey(text)
    return repeated === undefined
      ? { text, value }
      : yield* Result.fail(`the key ${JSON.stringify(repeated)} is there twice; keep one of them`)
  })

/** Reads one JSON value; the failure says what is wrong with the bytes and how to mend it. */
export const parseStrictJson = (bytes: Uint8Array): Result.Result<StrictJson, string> =>
  Result.flatMap(parseForeignJson(bytes, LIMITS.jsonDepth), (json) => {
    const fault = faultOfValue(json.value)
    return fault === undefined ? Result.succeed(json) : Result.fail(fault)
  })
