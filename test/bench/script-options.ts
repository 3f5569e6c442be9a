// Options of the benchmarks that are scripts: whatever cannot be understood is said in one line, and ends the script with code 2.
import { type ParseArgsConfig, parseArgs } from "node:util"

/** Ends the script. */
export function refuse(message: string): never {
  console.error(message)
  process.exit(2)
}

/** The script's options; an unknown one is refused with those that there are. */
export function scriptOptions<const Options extends NonNullable<ParseArgsConfig["options"]>>(options: Options) {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    const [fault] = (error as Error).message.split(". ")
    const known = Object.keys(options).map((name) => `--${name}`)
    return refuse(`${fault}; there are ${known.join(", ")} (docs/performance.md)`)
  }
}

/** Texts of a list, each of which must be part of one of `known`, whatever the case; undefined where nothing is said. */
export function partsOf(option: string, written: string | undefined, known: readonly string[]): string[] | undefined {
  const texts = written?.split(",").map((text) => text.trim().toLowerCase())
  const unknown = texts?.find((text) => !known.some((name) => name.toLowerCase().includes(text)))
  if (unknown !== undefined) refuse(`--${option} ${unknown} is part of none of: ${known.join("; ")}`)
  return texts
}

/** A count that an option states: a whole number from 1. */
export function countOf(option: string, written: string): number {
  const count = Number(written)
  if (!Number.isSafeInteger(count) || count < 1) refuse(`--${option} ${written}: a whole number from 1 is needed`)
  return count
}
