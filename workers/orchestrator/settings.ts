// The deployment's numbers, from variables of the worker. One that cannot be read is an error, not a default.
import type { Environment } from "./Environment.ts"

/** A variable of the worker does not hold what it should. */
export class SettingInvalid extends Error {
  readonly _tag = "SettingInvalid"
}

type Name = Extract<keyof Environment, `YOHAKU_${string}`>

/** The variable's number, or `fallback` where it is not set. Throws SettingInvalid below `minimum`. */
export const numberSetting = (
  env: Pick<Environment, Name>,
  name: Name,
  fallback: number,
  minimum = Number.NEGATIVE_INFINITY,
): number => {
  const text = env[name]
  if (text === undefined || text === "") return fallback
  const value = Number(text)
  if (Number.isFinite(value) && value >= minimum) return value
  const least = minimum === Number.NEGATIVE_INFINITY ? "" : ` of at least ${minimum}`
  throw new SettingInvalid(`${name} is ${JSON.stringify(text)}; give a number${least}, or leave it out for ${fallback}`)
}
