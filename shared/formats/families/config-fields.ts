// Reading single fields of a Hugging Face config.json. A field that cannot be used is an InvalidModel that names it and the mend.
import { InvalidModel } from "./decoder-config.ts"

export type Fields = Readonly<Record<string, unknown>>

/** A positive integer; the fallback stands in where the field is missing or null. */
export function size(fields: Fields, name: string, fallback: number): number {
  const value = fields[name] ?? fallback
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value)}; it must be a positive integer`)
}

/** An integer that is not negative; the fallback stands in where the field is missing or null. */
export function count(fields: Fields, name: string, fallback: number): number {
  const value = fields[name] ?? fallback
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value)}; it must be an integer that is not negative`)
}

/** A positive number; the fallback stands in where the field is missing or null. Without a fallback the field is required. */
export function positive(fields: Fields, name: string, fallback?: number): number {
  const value = fields[name] ?? fallback
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value) ?? "missing"}; it must be a positive number`)
}

/** A positive number, or undefined where the field is null; the fallback stands in only where it is missing. */
export function positiveOrNone(fields: Fields, name: string, fallback: number | undefined): number | undefined {
  const value = fields[name] === undefined ? fallback : fields[name]
  return value === null || value === undefined ? undefined : positive({ [name]: value }, name)
}

/** A positive integer, or undefined where the field is null; the fallback stands in only where it is missing. */
export function sizeOrNone(fields: Fields, name: string, fallback: number | undefined): number | undefined {
  const value = positiveOrNone(fields, name, fallback)
  return value === undefined ? undefined : size({ [name]: value }, name, value)
}

/** true or false; the fallback stands in where the field is missing or null. */
export function flag(fields: Fields, name: string, fallback: boolean): boolean {
  const value = fields[name] ?? fallback
  if (typeof value === "boolean") return value
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value)}; it must be true or false`)
}

/**
 * One token id or a list of them; none where the field is null, the fallback where it is missing. −1 is written for no token, and no
 * token is ever equal to it.
 */
export function tokenIds(fields: Fields, name: string, fallback: number | null): number[] {
  const value = fields[name] === undefined ? fallback : fields[name]
  if (value === null) return []
  const ids: unknown[] = Array.isArray(value) ? value : [value]
  if (ids.every((id) => Number.isSafeInteger(id) && (id as number) >= -1)) {
    return (ids as number[]).filter((id) => id !== -1)
  }
  throw new InvalidModel(`config.json: ${name} is ${JSON.stringify(value)}; it must be a token id or a list of them`)
}

/** An object, or undefined where the field is missing or null. */
export function objectOrNone(fields: Fields, name: string): Fields | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined) return undefined
  if (typeof value === "object" && !Array.isArray(value)) return value as Fields
  throw new InvalidModel(`config.json: ${name} is not an object; write it as transformers does`)
}

/** Refuses fields that change the arithmetic, unless they are missing, null or at the one value that is implemented. */
export function requireOnly(fields: Fields, options: Readonly<Record<string, unknown>>): void {
  for (const [name, only] of Object.entries(options)) {
    const value = fields[name]
    if (value === undefined || value === null || value === only) continue
    throw new InvalidModel(
      `config.json: ${name} ${JSON.stringify(value)} is not supported, only ${JSON.stringify(only)}; use a model without it`,
    )
  }
}
