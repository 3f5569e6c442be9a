// What a labelling tool's connector is: verify the bytes, then read their JSON. The reading itself is shared/judgement/sources', the
// same as of a file; here it becomes what the route stores, or the problem that it is answered with.
import { Effect, Result, Schema } from "effect"
import { InvalidComparison, UnusableDelivery } from "#shared/api/problems.ts"
import type { LabellingTool, WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { withoutUnusable } from "#shared/judgement/sent-comparisons.ts"
import type { AnnotatedComparison, Place, Reading } from "#shared/judgement/sources/annotation.ts"
import { InvalidPreferenceRow } from "#shared/judgement/sources/record.ts"
import { type Retraction, saidBefore } from "#shared/judgement/sources/retraction.ts"
import { faultOfValue } from "../http/strict-json.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"
import type { Said } from "../storage/Comparisons.ts"

/** A delivery may do several of these at once. `ignored` says why it does nothing. */
export interface Normalised {
  readonly said: readonly Said[]
  readonly retractions: readonly Retraction[]
  readonly ignored: string | undefined
}

export type Refusal = UnusableDelivery | InvalidComparison

/** A delivery of which nothing is stored. */
export interface Refused {
  readonly refusal: Refusal
  /** What the annotations that cannot be used said before: it is not what they say now. */
  readonly replaced: readonly Retraction[]
  /** What it takes back beside them, which it does all the same. */
  readonly retractions: readonly Retraction[]
}

export interface Connector {
  readonly source: LabellingTool
  readonly verify: (delivery: SignedDelivery, secrets: readonly string[]) => Promise<boolean>
  /** The signature leaves room to send one delivery again and again: what was taken is not taken twice. */
  readonly isRemembered: boolean
  /** Throws InvalidPreferenceRow where the JSON is no event of the tool. */
  readonly read: (json: unknown, mapping: WebhookMapping) => readonly Reading[]
}

const unusable = (detail: string): UnusableDelivery => new UnusableDelivery({ detail })

const unreadable = (message: string): UnusableDelivery =>
  unusable(`The delivery is not what this connector reads: ${message}`)

/** Decodes the part of a delivery that a connector reads. What else is sent is left alone, unless `isStrict`. */
export const decodePart = <A, I>(
  schema: Schema.Codec<A, I>,
  json: unknown,
  isStrict = false,
): Effect.Effect<A, UnusableDelivery> =>
  Schema.decodeUnknownEffect(schema, { onExcessProperty: isStrict ? "error" : "ignore" })(json).pipe(
    Effect.mapError(({ message }) => unreadable(message)),
  )

/** A fault of a named part is the delivery's; one of the whole says what the mapping lacks. */
const problemOf = ({ field, message }: InvalidPreferenceRow): UnusableDelivery =>
  field === "" ? unusable(`${message.charAt(0).toUpperCase()}${message.slice(1)}.`) : unreadable(message)

/** What messages may hold in files alone, tools and thoughts, is refused by its name. */
const storable = ({ externalId, annotator, task, labelledAt, ...said }: AnnotatedComparison) => {
  const named = Object.entries({ externalId, annotator, task, labelledAt }).filter(([, value]) => value !== undefined)
  return decodePart(Comparison, { ...said, ...withoutUnusable(said), ...Object.fromEntries(named) }, true)
}

/** What is kept of a delivery must be text, numbers and names that every later step can hold. */
const refuseUnstorable = (value: unknown) => {
  const fault = faultOfValue(value)
  return fault === undefined ? Effect.void : Effect.fail(unusable(`What the delivery says cannot be stored: ${fault}.`))
}

/** As it is stored. */
const checked = Effect.fnUntraced(function* (comparison: AnnotatedComparison, place: Place | undefined) {
  yield* refuseUnstorable([comparison, place])
  const stored = yield* storable(comparison)
  const fault = findComparisonFault(stored)
  return fault === undefined ? stored : yield* new InvalidComparison(fault)
})

const asTold = (read: () => readonly Reading[]) =>
  Effect.fromResult(
    Result.try({
      try: read,
      catch: (cause) => {
        if (cause instanceof InvalidPreferenceRow) return problemOf(cause)
        throw cause
      },
    }),
  )

/** All that a delivery says, or the first thing of it that cannot be used: a delivery is taken wholly or not at all. */
export const normalise = Effect.fnUntraced(function* ({ read }: Connector, json: unknown, mapping: WebhookMapping) {
  const said: Said[] = []
  const retractions: Retraction[] = []
  const replaced: Retraction[] = []
  let refusal: Refusal | undefined
  let ignored: string | undefined
  for (const reading of yield* asTold(() => read(json, mapping))) {
    if (reading.kind === "refusal") {
      refusal ??= problemOf(reading.refusal)
      if (reading.replaced !== undefined) replaced.push(reading.replaced)
    } else if (reading.kind === "comparison") {
      const { comparison, place } = reading
      const sayable = yield* Effect.result(checked(comparison, place))
      if (Result.isSuccess(sayable)) said.push({ comparison: sayable.success, place })
      else {
        refusal ??= sayable.failure
        replaced.push(saidBefore(comparison.externalId!, comparison.labelledAt))
      }
    } else if (reading.kind === "retraction") retractions.push(reading.retraction)
    else ignored ??= reading.detail
  }
  const normalised: Normalised | Refused =
    refusal === undefined ? { said, retractions, ignored } : { refusal, replaced, retractions }
  yield* refuseUnstorable([retractions, replaced])
  return normalised
})
