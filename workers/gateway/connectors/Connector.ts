// What a labelling tool's connector is: verify the bytes, then read their JSON. The reading itself is shared/judgement/sources', the
// same as of a file; here it becomes what the route stores, or the problem that it is answered with.
import { Effect, Result, Schema } from "effect"
import { UnusableDelivery } from "#shared/api/problems.ts"
import type { LabellingTool, WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import type { AnnotatedComparison, Reading, Retraction } from "#shared/judgement/sources/annotation.ts"
import { InvalidPreferenceRow } from "#shared/judgement/sources/record.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"
import type { Said } from "../storage/Comparisons.ts"

/** A delivery may do several of these at once. `ignored` says why it does nothing. */
export interface Normalised {
  readonly said: readonly Said[]
  readonly retractions: readonly Retraction[]
  readonly ignored: string | undefined
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
  return decodePart(Comparison, { ...said, ...Object.fromEntries(named) }, true)
}

/** All that a delivery says, or the first thing of it that cannot be used: a delivery is taken wholly or not at all. */
export const normalise = Effect.fnUntraced(function* ({ read }: Connector, json: unknown, mapping: WebhookMapping) {
  const readings = yield* Effect.fromResult(
    Result.try({
      try: () => read(json, mapping),
      catch: (cause) => {
        if (cause instanceof InvalidPreferenceRow) return problemOf(cause)
        throw cause
      },
    }),
  )
  const said: Said[] = []
  const retractions: Retraction[] = []
  let ignored: string | undefined
  for (const reading of readings) {
    if (reading.kind === "refusal") return yield* problemOf(reading.refusal)
    if (reading.kind === "comparison")
      said.push({ comparison: yield* storable(reading.comparison), place: reading.place })
    else if (reading.kind === "retraction") retractions.push(reading.retraction)
    else ignored ??= reading.detail
  }
  return { said, retractions, ignored } satisfies Normalised
})
