// One line of a bulk upload to one comparison, or to the problem that it would have been answered with alone.
import { Effect, Result, Schema } from "effect"
import type { LineProblem } from "#shared/api/comparisons.ts"
import { InvalidComparison, InvalidRequest, LineTooLarge, MalformedJson, UnusableRow } from "#shared/api/problems.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import {
  InvalidPreferenceRow,
  type PreferenceRow,
  parsePreferenceRow,
  type UnpairedRow,
} from "#shared/judgement/preference-rows.ts"
import { comparisonOfRow, comparisonOfVerdict } from "#shared/judgement/sent-comparisons.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { parseStrictJson } from "../http/strict-json.ts"
import type { Line } from "./lines.ts"

type Refusal = InvalidComparison | InvalidRequest | LineTooLarge | MalformedJson | UnusableRow

const decode = Schema.decodeUnknownEffect(Comparison, { onExcessProperty: "error" })

const decodeComparison = (value: unknown) =>
  decode(value).pipe(Effect.mapError(({ message }) => new InvalidRequest({ detail: message })))

const takesNoTools = (row: PreferenceRow | UnpairedRow): boolean => !("tools" in row)

const TOOLS_REFUSED = new UnusableRow({
  field: "tools",
  detail: "tools are not supported here; train on the file itself, or remove rows that call tools",
})

const parseRow = (text: string) =>
  Effect.tryPromise({
    try: () => parsePreferenceRow(text),
    catch: (cause) => {
      if (cause instanceof InvalidPreferenceRow) return new UnusableRow({ field: cause.field, detail: cause.message })
      throw cause
    },
  }).pipe(
    Effect.filterOrFail(takesNoTools, () => TOOLS_REFUSED),
    Effect.map((row): unknown => ("label" in row ? comparisonOfVerdict(row) : comparisonOfRow(row))),
  )

/** Parses and checks one line, which is not too long. */
const parse = Effect.fnUntraced(function* (bytes: Uint8Array, format: "comparisons" | "rows") {
  const json = parseStrictJson(bytes)
  if (Result.isFailure(json))
    return yield* new MalformedJson({ detail: `The line is not acceptable JSON: ${json.failure}.` })
  const value = format === "rows" ? yield* parseRow(json.success.text) : json.success.value
  const comparison = yield* decodeComparison(value)
  const fault = findComparisonFault(comparison)
  return fault === undefined ? comparison : yield* new InvalidComparison(fault)
})

const problemOf = (refusal: Refusal): LineProblem => ({
  type: refusal.type,
  status: refusal.status,
  title: refusal.title,
  ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
  ...("reason" in refusal ? { reason: refusal.reason } : {}),
})

const lineTooLarge = new LineTooLarge({
  limitBytes: LIMITS.lineBytes,
  detail: `A line holds at most ${LIMITS.lineBytes} bytes; shorten the texts.`,
})

/** A comparison, or why the line is none. */
export const parseLine = (
  { bytes }: Line,
  format: "comparisons" | "rows",
): Effect.Effect<Result.Result<Comparison, LineProblem>> =>
  (bytes === undefined ? Effect.fail(lineTooLarge) : parse(bytes, format)).pipe(
    Effect.mapError(problemOf),
    Effect.result,
  )
