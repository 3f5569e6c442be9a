// What one gate said of an adapter.
import { Schema } from "effect"
import { Bound, Severity } from "./gates-declaration.ts"

export const GateResult = Schema.Struct({
  gate: Schema.String,
  passed: Schema.Boolean,
  /** Absent: nothing was measured, and `explanation` says why. The gate is closed then, but passed where what it compares with does not exist yet. */
  value: Schema.optionalKey(Schema.Finite),
  limit: Schema.Finite,
  explanation: Schema.String,
  /** Absent: block, as in runs of before there was another. */
  severity: Schema.optionalKey(Severity),
  /** Which end of the 95 % interval `value` is. Absent: the measurement itself. */
  bound: Schema.optionalKey(Bound),
}).annotate({ identifier: "GateResult" })
export type GateResult = typeof GateResult.Type

/** Whether it keeps an adapter from production. */
export const blocks = ({ passed, severity = "block" }: GateResult): boolean => !passed && severity === "block"
