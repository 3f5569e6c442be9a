// From a stored comparison to the rows of `pairs`: parsed, derived, tokenised once, named by digest, split by prompt.
import { Effect, Schema } from "effect"
import { sha256Hex } from "#shared/formats/digest.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { type DerivedPair, derivePairs } from "#shared/judgement/derive-pairs.ts"
import { type PairText, responseDigestInput, type TokenisedPair } from "#shared/tokenisation/tokenisation.ts"
import { pairId, splitOf } from "#shared/wire/pair-identity.ts"
import { ComparisonInvalid } from "./errors.ts"
import type { Tokeniser } from "./LoadedModels.ts"
import type { Arrival, NamedPairTokens, Outcome, PairRow, Reference } from "./ReadModel.ts"

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Comparison))

/** Parses one line of a payload blob. A line that is absent or no comparison can never become pairs. */
const parsePayload = (line: string | undefined): Effect.Effect<Comparison, ComparisonInvalid> =>
  line === undefined || line === ""
    ? Effect.fail(new ComparisonInvalid({ detail: "invalid payload: the line is missing" }))
    : Effect.mapError(decode(line), ({ message }) => new ComparisonInvalid({ detail: `invalid payload: ${message}` }))

const pairText = ({ prompt, chosen, rejected }: DerivedPair): PairText | undefined => {
  if (typeof prompt === "string" && typeof chosen === "string" && typeof rejected === "string")
    return { prompt, chosen, rejected }
  if (typeof prompt !== "string" && typeof chosen !== "string" && typeof rejected !== "string")
    return { prompt, chosen, rejected }
  return undefined
}

/** A chat template may refuse a conversation by throwing: that is this pair's fault, so it is a reason, not an error. */
const tokenise = (
  derived: DerivedPair,
  { tokenisation, maxPositions }: Tokeniser,
  { maxLength }: Reference,
): TokenisedPair | { readonly _tag: "Refused"; readonly reason: string } => {
  const text = pairText(derived)
  if (text === undefined)
    return { _tag: "Refused", reason: "invalid text: prompt and responses must all be plain text, or all be messages" }
  try {
    return tokenisation.tokenisePair(text, { maxLength: Math.min(maxLength, maxPositions), overflow: "drop" })
  } catch (cause) {
    return { _tag: "Refused", reason: `not tokenisable: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
}

const tokensOf = async ({
  promptIds,
  chosenIds,
  rejectedIds,
}: Extract<TokenisedPair, { _tag: "Tokenised" }>): Promise<NamedPairTokens> => ({
  ...{ promptIds, chosenIds, rejectedIds },
  chosenDigest: await sha256Hex(responseDigestInput(promptIds, chosenIds)),
  rejectedDigest: await sha256Hex(responseDigestInput(promptIds, rejectedIds)),
})

const prepareOne = async (derived: DerivedPair, tokeniser: Tokeniser, reference: Reference): Promise<PairRow> => {
  const tokenised = tokenise(derived, tokeniser, reference)
  const row = {
    id: await pairId(reference.datasetId, derived),
    weight: derived.weight,
    split: await splitOf(derived.prompt),
    tokenizerDigest: tokeniser.tokenizerDigest,
  }
  return tokenised._tag === "Tokenised"
    ? { ...row, status: "ready", reason: null, tokens: await tokensOf(tokenised) }
    : { ...row, status: "dropped", reason: tokenised.reason }
}

const outcomeOf = (arrival: Arrival, pairs: readonly PairRow[], omitted: number): Outcome => {
  const isPaired = pairs.some(({ status }) => status === "ready")
  const dropReasons = [...new Set(pairs.flatMap(({ reason }) => reason ?? []))].join("; ")
  const capReason = omitted > 0 ? `the ${pairs.length} widest of ${pairs.length + omitted} pairs were kept` : null
  return { arrival, pairs, status: isPaired ? "paired" : "dropped", reason: isPaired ? capReason : dropReasons }
}

/** What becomes of one comparison. Never fails because of what the comparison says: a bad one is dropped with the reason. */
export const prepareOutcome = (
  arrival: Arrival,
  line: string | undefined,
  tokeniser: Tokeniser,
  reference: Reference,
): Effect.Effect<Outcome> =>
  parsePayload(line).pipe(
    Effect.flatMap((comparison) => {
      const derivation = derivePairs(comparison)
      if (derivation.kind === "none") return Effect.fail(new ComparisonInvalid({ detail: derivation.reason }))
      return Effect.promise(() =>
        Promise.all(derivation.pairs.map((pair) => prepareOne(pair, tokeniser, reference))),
      ).pipe(Effect.map((rows) => outcomeOf(arrival, rows, derivation.omitted)))
    }),
    Effect.catch(({ message }) => Effect.succeed<Outcome>({ arrival, status: "dropped", reason: message, pairs: [] })),
  )
