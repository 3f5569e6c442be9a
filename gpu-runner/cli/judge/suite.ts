// What a suite of `yohaku judge` is: the options that it alone reads, and its report of files of judgements.
import { existsSync, readFileSync, statSync } from "node:fs"
import { TooLittleJudged, UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import type { ProtocolName } from "#shared/evaluation/judge/protocol.ts"
import { type OptionSpecs, UsageError } from "../command.ts"

/** Options as parsed; a suite checks those that it names. */
export type SuiteValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/** How intervals are drawn. */
export interface Drawing {
  readonly rounds: number
  readonly seed: number
}

export interface Suite {
  /** Beside those of the command. Suites that read the same option name the same object. */
  readonly options: OptionSpecs
  /** How a judge may be asked for its verdicts, the usual way first; absent where none can be. */
  readonly protocols?: readonly ProtocolName[]
  /** Of one file or several. */
  readonly report: (files: readonly string[], values: SuiteValues, drawing: Drawing) => SuiteReport
}

export interface SuiteReport {
  /** By model, in the order of the files. */
  readonly models: ReadonlyMap<string, object>
  /** For people. */
  readonly text: () => string
  readonly warnings: readonly string[]
  /** What was measured is below its bar: exit code 1, after all is printed. */
  readonly refusal?: string
}

/** A file is read whole. */
const MAX_FILE_BYTES = 2 ** 28

/** What `read` makes of a file's bytes; what it refuses is told with the file's name. Throws UsageError, UnusableJudgements. */
export function readNamed<A>(option: string, file: string, read: (bytes: Uint8Array) => A): A {
  if (!existsSync(file)) throw new UsageError(`--${option} ${file} is missing; give a file`)
  const { size } = statSync(file)
  if (size > MAX_FILE_BYTES)
    throw new UnusableJudgements(`${file} has ${size} bytes; at most ${MAX_FILE_BYTES} are read`)
  return told(file, () => read(readFileSync(file)))
}

/** Runs a step, and puts the file's name before what it refuses. */
export function told<A>(file: string, step: () => A): A {
  try {
    return step()
  } catch (error) {
    if (error instanceof UnusableJudgements) throw new UnusableJudgements(`${file} ${error.message}`)
    if (error instanceof TooLittleJudged) throw new TooLittleJudged(`${file} ${error.message}`)
    throw error
  }
}

/** A number of an open or closed range as it is written. Throws UsageError. */
export function numberOf(option: string, written: unknown, isIn: (value: number) => boolean, range: string): number {
  const value = Number(written)
  if (typeof written === "string" && written.trim() !== "" && isIn(value)) return value
  throw new UsageError(`--${option} ${written}: give ${range}`)
}

/** The models' names by file, each once. Throws UnusableJudgements. */
export function byModel<A>(entries: readonly (readonly [model: string, file: string, value: A])[]): Map<string, A> {
  const files = new Map<string, string>()
  for (const [model, file] of entries) {
    const before = files.get(model)
    if (before !== undefined)
      throw new UnusableJudgements(`${before} and ${file} are both of the model ${model}; give one`)
    files.set(model, file)
  }
  return new Map(entries.map(([model, , value]) => [model, value]))
}
