// A template at work: variables by their slots, the context behind them, and the text written so far.
import type { Load, Slot, Symbols } from "./symbols.ts"
import type { Value } from "./values.ts"

/** Variables of one running function; undefined where a variable has no value. */
export interface Frame {
  readonly values: (Value | undefined)[]
  readonly parent: Frame | undefined
  readonly run: Run
}

/** One rendering: its context, and how many macros are inside each other now. */
export interface Run {
  readonly context: ReadonlyMap<string, Value>
  depth: number
}

export type Evaluate = (frame: Frame) => Value

export type Ending = "done" | "break" | "continue"

/** Runs a statement, appending its text to `output`. */
export type Execute = (frame: Frame, output: string[]) => Ending

export function reader({ depth, index }: Slot, from: Symbols): (frame: Frame) => Value | undefined {
  const hops = from.functionScope.depth - depth
  if (hops === 0) return (frame) => frame.values[index]
  return (frame) => {
    let found = frame
    for (let hop = 0; hop < hops; hop++) found = found.parent!
    return found.values[index]
  }
}

/** Gives the variables of a scope what they hold at its beginning. */
export function entry(symbols: Symbols): (frame: Frame) => void {
  const steps = [...symbols.loads].flatMap(([slot, load]) => {
    const value = beginning(load, symbols)
    return value === undefined ? [] : [{ index: slot.index, value }]
  })
  return (frame) => {
    for (const { index, value } of steps) frame.values[index] = value(frame)
  }
}

function beginning(load: Load, symbols: Symbols): ((frame: Frame) => Value | undefined) | undefined {
  switch (load.kind) {
    case "parameter":
      return undefined
    case "missing":
      return () => undefined
    case "context":
      return (frame) => frame.run.context.get(load.name)
    case "outer":
      return reader(load.slot, symbols)
  }
}

/** Takes the values away again, so that no later scope finds them. */
export function exit(symbols: Symbols): (frame: Frame) => void {
  const indices = [...symbols.loads.keys()].map(({ index }) => index)
  return (frame) => {
    for (const index of indices) frame.values[index] = undefined
  }
}
