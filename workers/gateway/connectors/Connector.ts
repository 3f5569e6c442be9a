// What a labelling tool's connector is: verify the bytes, then turn their JSON into comparisons, retractions or nothing.
import { Effect, Schema } from "effect"
import { UnusableDelivery } from "#shared/api/problems.ts"
import type { WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import { type Comparison, type Source, Text } from "#shared/judgement/Comparison.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"

export type Normalised =
  | { readonly _tag: "Comparisons"; readonly comparisons: readonly Comparison[] }
  | { readonly _tag: "Retractions"; readonly externalIds: readonly string[] }
  | { readonly _tag: "Ignored"; readonly reason: string }

export interface Connector {
  readonly source: Source
  readonly verify: (delivery: SignedDelivery, secrets: readonly string[]) => Promise<boolean>
  readonly normalise: (json: unknown, mapping: WebhookMapping) => Effect.Effect<Normalised, UnusableDelivery>
}

export const ignored = (reason: string): Normalised => ({ _tag: "Ignored", reason })

export const unusable = (detail: string): UnusableDelivery => new UnusableDelivery({ detail })

/** Decodes the part of a delivery that a connector reads. What else the tool sends is left alone, unless `isStrict`. */
export const decodePart = <A, I>(
  schema: Schema.Codec<A, I>,
  json: unknown,
  isStrict = false,
): Effect.Effect<A, UnusableDelivery> =>
  Schema.decodeUnknownEffect(schema, { onExcessProperty: isStrict ? "error" : "ignore" })(json).pipe(
    Effect.mapError(({ message }) => unusable(`The delivery is not what this connector reads: ${message}`)),
  )

const isText = Schema.is(Text)

/** A field of the labelled record that must hold text or chat messages. */
const textField = (
  fields: Readonly<Record<string, unknown>>,
  name: string,
): Effect.Effect<typeof Text.Type, UnusableDelivery> => {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return isText(value)
    ? Effect.succeed(value)
    : Effect.fail(
        unusable(
          `The record's field ${JSON.stringify(name)} holds no text; name the right field in the endpoint's mapping.`,
        ),
      )
}

/** Prompt and candidates of a record, by the mapping's field names. */
export const readTexts = Effect.fnUntraced(function* (
  fields: Readonly<Record<string, unknown>>,
  promptField: string,
  responseFields: readonly string[],
) {
  const prompt = yield* textField(fields, promptField)
  const candidates = yield* Effect.forEach(responseFields, (id) =>
    Effect.map(textField(fields, id), (response) => ({ id, response })),
  )
  return { prompt, candidates: candidates as [(typeof candidates)[number], ...typeof candidates] }
})

const TIE = "tie"

/** A label of a form -> the judgement it stands for. */
export const judgementOfLabel = (
  label: string,
  responses: readonly string[],
  labels: Readonly<Record<string, string>> = {},
): Comparison["judgement"] | undefined => {
  const meaning = Object.hasOwn(labels, label) ? labels[label]! : label
  if (meaning.toLowerCase() === TIE) return { kind: "tie" }
  return responses.includes(meaning) ? { kind: "choice", winner: meaning } : undefined
}
