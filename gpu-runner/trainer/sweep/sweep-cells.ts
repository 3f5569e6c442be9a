// The cells of a sweep: every combination of method, label noise, varied keys and seed, each with its resolved configuration and a name
// that is also its folder's. Pure.
import { Result } from "effect"
import { decodeTrainConfig, InvalidTrainConfig, type TrainConfig } from "#shared/domain/TrainConfig.ts"
import { DEFAULT_METHOD } from "#shared/methods/methods.ts"

export interface SweepAxes {
  readonly methods: readonly string[]
  readonly seeds: readonly number[]
  /** Shares of exchanged training labels, 0 to 1. */
  readonly noise: readonly number[]
  /** Further keys of the configuration with their values. */
  readonly vary: Readonly<Record<string, readonly unknown[]>>
}

/** Keys for every cell, and under `methods` those of one method, such as a β of its own. */
export interface SweepBase {
  readonly config: Readonly<Record<string, unknown>>
  readonly methods: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export interface SweepCell {
  readonly name: string
  /** What the cells of a mean have in common: all but the seed. */
  readonly group: SweepGroup
  readonly seed: number
  readonly config: TrainConfig
}

export interface SweepGroup {
  readonly method: string
  readonly noise: number
  readonly varied: Readonly<Record<string, unknown>>
}

/** Cells in the order of running: all of one seed before the next, so that a sweep cut short has every method. Errors: InvalidTrainConfig. */
export function sweepCells(axes: SweepAxes, base: SweepBase): SweepCell[] {
  const combinations = Object.entries(axes.vary).reduce<Record<string, unknown>[]>(
    (rows, [key, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [key]: value }))),
    [{}],
  )
  return axes.seeds.flatMap((seed) =>
    combinations.flatMap((varied) =>
      axes.noise.flatMap((noise) => axes.methods.map((method) => cell({ method, noise, varied }, seed, base))),
    ),
  )
}

function cell(group: SweepGroup, seed: number, base: SweepBase): SweepCell {
  const { method, noise, varied } = group
  const parts = Object.entries(varied).map(([key, value]) => `${key}-${shown(value)}`)
  const name = [method, `noise-${noise}`, ...parts, `seed-${seed}`].join(".")
  // The common keys may have options of the default method, which another method does not read: those fall away.
  const decoded = decodeTrainConfig(
    { ...base.methods[method], ...varied, method, seed },
    { method: DEFAULT_METHOD, ...base.config },
  )
  if (Result.isSuccess(decoded)) return { name, group, seed, config: decoded.success }
  throw new InvalidTrainConfig({
    message: `cell ${name}: ${decoded.failure.message}. Keys of one method go under "methods" of --config`,
  })
}

/** A value as part of a file name. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return text.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
}
