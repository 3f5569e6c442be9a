// The fields of a request's body, read one by one: what is wrong is told with the field's name, and a field that nobody read is refused. As
// OpenAI's clients send it, null is a field that is not there.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { ApiError } from "./api-error.ts"

export class RequestFields {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #read = new Set<string>()

  /** Errors: ApiError, as of all that is read. */
  constructor(body: Uint8Array) {
    const faults = {
      notUtf8: "the body is no UTF-8",
      notJson: "the body is no JSON",
      notObject: "the body is no JSON object",
      repeatedKey: (key: string) => `the body holds ${JSON.stringify(key)} twice; keep one`,
    }
    this.#values = readJsonObject(body, faults, (message) => new ApiError("invalid_json", message))
  }

  value(name: string): unknown {
    this.#read.add(name)
    return Object.hasOwn(this.#values, name) ? (this.#values[name] ?? undefined) : undefined
  }

  text(name: string): string | undefined {
    const value = this.value(name)
    if (value === undefined || typeof value === "string") return value
    throw invalid(name, value, "a text")
  }

  requiredText(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw new ApiError("missing_parameter", `${name} is missing`, { param: name })
    return value
  }

  boolean(name: string): boolean {
    const value = this.value(name) ?? false
    if (typeof value === "boolean") return value
    throw invalid(name, value, "true or false")
  }

  /** Whole, from `least` to `most`. */
  integer(name: string, least: number, most: number): number | undefined {
    const value = this.value(name)
    if (value === undefined) return undefined
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number
    throw invalid(name, value, `a whole number from ${least} to ${most}`)
  }

  number(name: string, least: number, most: number): number | undefined {
    const value = this.value(name)
    if (value === undefined) return undefined
    if (typeof value === "number" && value >= least && value <= most) return value
    throw invalid(
      name,
      value,
      most === Number.MAX_VALUE ? `a number from ${least}` : `a number from ${least} to ${most}`,
    )
  }

  /** Refuses a field with any other value than those that change nothing here. */
  only(name: string, values: readonly unknown[], why: string): void {
    const value = this.value(name)
    if (value === undefined || values.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value))) return
    throw new ApiError("unsupported_parameter", `${name} is not supported here: ${why}`, { param: name })
  }

  /** Refuses what was not read. */
  end(): void {
    const unread = Object.keys(this.#values).find((name) => !this.#read.has(name) && this.#values[name] !== null)
    if (unread === undefined) return
    throw new ApiError("unknown_parameter", `${shown(unread)} is no parameter that is known here; leave it out`, {
      param: unread,
    })
  }
}

const MOST_SHOWN = 60

/** A value as an error shows it. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text
}

export function invalid(param: string, value: unknown, wanted: string): ApiError {
  return new ApiError("invalid_value", `${param} is ${shown(value)}; give ${wanted}`, { param })
}
