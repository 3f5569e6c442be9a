// One line of a bulk upload to one comparison, or to the problem that it would have been answered with alone; and to what it takes back.
import { Effect, Result, Schema } from "effect"
import type { LineProblem } from "#shared/api/comparisons.ts"
import { InvalidComparison, InvalidRequest, LineTooLarge, MalformedJson, UnusableRow } from "#shared/api/problems.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { sentByRow, type TakenBack } from "#shared/judgement/sent-comparisons.ts"
import { InvalidPreferenceRow } from "#shared/judgement/sources/record.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { faultOfValue, parseForeignJson, parseStrictJson } from "../http/strict-json.ts"
import type { Line } from "./lines.ts"

type Refusal = InvalidComparison | InvalidRequest | LineTooLarge | MalformedJson | UnusableRow

const decode = Schema.decodeUnknownEffect(Comparison, { onExcessProperty: "error" })

const decodeComparison = (value: unknown) =>
  decode(value).pipe(Effect.mapError(({ message }) => new InvalidRequest({ detail: message })))

/** What a line says, or the problem that it would have been answered with alone; and what it says no more. */
export interface ParsedLine {
  readonly said: Result.Result<Comparison, LineProblem>
  readonly over: readonly TakenBack[]
}

interface Parsed {
  readonly said: Result.Result<Comparison, Refusal>
  readonly over: readonly TakenBack[]
}

const NOTHING_OVER: readonly TakenBack[] = []

const unusable = ({ field, message }: InvalidPreferenceRow) => new UnusableRow({ field, detail: message })

const parseRow = (text: string) =>
  Effect.tryPromise({
    try: () => sentByRow(text),
    catch: (cause) => {
      if (cause instanceof InvalidPreferenceRow) return unusable(cause)
      throw cause
    },
  })

const checked = Effect.fnUntraced(function* (value: unknown) {
  const comparison = yield* decodeComparison(value)
  const fault = findComparisonFault(comparison)
  return fault === undefined ? comparison : yield* new InvalidComparison(fault)
})

/** Much of a row is read by nobody; only what is stored must be such as can be. */
const storable = (value: unknown) => {
  const fault = faultOfValue(value)
  return fault === undefined
    ? Effect.void
    : Effect.fail(new UnusableRow({ field: "", detail: `the row cannot be stored: ${fault}` }))
}

const malformed = (failure: string) => new MalformedJson({ detail: `The line is not acceptable JSON: ${failure}.` })

/** Parses and checks one line, which is not too long. */
const parse = Effect.fnUntraced(function* (bytes: Uint8Array, format: "comparisons" | "rows") {
  if (format === "comparisons") {
    const json = parseStrictJson(bytes)
    if (Result.isFailure(json)) return yield* malformed(json.failure)
    return { said: yield* Effect.result(checked(json.success.value)), over: NOTHING_OVER }
  }
  const json = parseForeignJson(bytes)
  if (Result.isFailure(json)) return yield* malformed(json.failure)
  const { said, over } = yield* parseRow(json.success.text)
  yield* storable(over)
  const result =
    said instanceof InvalidPreferenceRow ? Effect.fail(unusable(said)) : Effect.andThen(storable(said), checked(said))
  return { said: yield* Effect.result(result), over }
})

export const problemOf = (refusal: Refusal): LineProblem => ({
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

/** Never fails: what is wrong with a line is said of it. */
export const parseLine = Effect.fnUntraced(function* ({ bytes }: Line, format: "comparisons" | "rows") {
  const parsed: Result.Result<Parsed, Refusal> =
    bytes === undefined ? Result.fail(lineTooLarge) : yield* Effect.result(parse(bytes, format))
  const line: ParsedLine = Result.isFailure(parsed)
    ? { said: Result.fail(problemOf(parsed.failure)), over: NOTHING_OVER }
    : { said: Result.mapError(parsed.success.said, problemOf), over: parsed.success.over }
  return line
})
