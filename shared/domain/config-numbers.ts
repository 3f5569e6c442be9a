// How large a number of the training configuration may be. Each key has both bounds, wide enough for whatever a person could mean and
// narrow enough that a slip of the keyboard (epochs 1e9) is told where it was made, not after a month.
import { Schema } from "effect"

/** Optimiser steps of a run, and whatever is counted in them. */
export const MOST_STEPS = 10_000_000

/** A whole number, both bounds included. */
export const wholeBetween = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** A number, both bounds included. */
export const numberBetween = (minimum: number, maximum: number) =>
  Schema.Finite.check(Schema.isBetween({ minimum, maximum }))

/** A number above `minimum` and at most `maximum`. */
export const numberAbove = (minimum: number, maximum: number) =>
  Schema.Finite.check(Schema.isBetween({ minimum, maximum, exclusiveMinimum: true }))

/** A number of at least 0 and below 1. */
export const belowOne = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true }))

/** 0 to 1. */
export const share = numberBetween(0, 1)

/** A count of optimiser steps. */
export const steps = wholeBetween(1, MOST_STEPS)

/** The same, where 0 turns something off. */
export const stepsOrOff = wholeBetween(0, MOST_STEPS)
