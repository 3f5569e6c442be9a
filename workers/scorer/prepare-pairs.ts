// From a stored comparison to the rows of `pairs`, its pairs or its verdict: parsed, derived, brought into the dataset's form, tokenised once, named by
// what the model reads, split by prompt.
import { Effect, Schema } from "effect"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { Comparison, type Text, type Verdict } from "#shared/judgement/Comparison.ts"
import { type DerivedPair, derivePairs } from "#shared/judgement/derive-pairs.ts"
import { type DatasetForm, inForm, NoPlainText } from "#shared/judgement/prompt-form.ts"
import { type ResponseText, responseDigestInput, type TokenisedPair } from "#shared/tokenisation/tokenisation.ts"
import { canonicalPrompts, foldText, pairId, splitOf, textPairId } from "#shared/wire/pair-identity.ts"
import { ComparisonInvalid } from "./errors.ts"
import type { Tokeniser } from "./LoadedModels.ts"
import type { Arrival, NamedPairTokens, Outcome, PairRow, Reference } from "./Outcome.ts"

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Comparison))

/** Parses one line of a payload blob. A line that is absent or no comparison can never become pairs. */
const parsePayload = (line: string | undefined): Effect.Effect<Comparison, ComparisonInvalid> =>
  line === undefined || line === ""
    ? Effect.fail(new ComparisonInvalid({ detail: "invalid payload: the line is missing" }))
    : Effect.mapError(decode(line), ({ message }) => new ComparisonInvalid({ detail: `invalid payload: ${message}` }))

/** What the pairs of one dataset are made with. */
export interface Preparation {
  readonly reference: Reference
  readonly tokeniser: Tokeniser
  readonly form: DatasetForm
  readonly canonicalPrompt: (promptIds: ArrayLike<number>) => string
}

export const preparation = (reference: Reference, tokeniser: Tokeniser): Preparation => {
  const { promptForm = tokeniser.tokenisation.chatTemplate === undefined ? "text" : "chat", systemText } = reference
  return {
    ...{ reference, tokeniser, form: { promptForm, systemText } },
    canonicalPrompt: canonicalPrompts(tokeniser.tokenisation, { systemText }),
  }
}

/** A chat template may refuse a conversation by throwing: that is this pair's fault, so it is a reason, not an error. */
const refusable = <A>(tokenise: () => A): A | { readonly _tag: "Refused"; readonly reason: string } => {
  try {
    return tokenise()
  } catch (cause) {
    if (cause instanceof NoPlainText) return { _tag: "Refused", reason: cause.message }
    return { _tag: "Refused", reason: `not tokenisable: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
}

const tokenise = (derived: DerivedPair, { form, reference, tokeniser: { tokenisation, maxPositions } }: Preparation) =>
  refusable(() =>
    tokenisation.tokenisePair(inForm(derived, form), {
      maxLength: Math.min(reference.maxLength, maxPositions),
      overflow: "drop",
    }),
  )

const tokensOf = async ({
  promptIds,
  chosenIds,
  rejectedIds,
}: Extract<TokenisedPair, { _tag: "Tokenised" }>): Promise<NamedPairTokens> => ({
  ...{ promptIds, chosenIds, rejectedIds },
  chosenDigest: await sha256Hex(responseDigestInput(promptIds, chosenIds)),
  rejectedDigest: await sha256Hex(responseDigestInput(promptIds, rejectedIds)),
})

/** Of a pair without tokens, which is on neither side: by its text. */
const textOf = (prompt: Text): string =>
  foldText(typeof prompt === "string" ? prompt : prompt.map(({ content }) => content).join(" "))

const prepareOne = async (derived: DerivedPair, made: Preparation): Promise<PairRow> => {
  const tokenised = tokenise(derived, made)
  const { datasetId } = made.reference
  const { weight, chosenId, rejectedId, prompt } = derived
  const row = { weight, chosenId, rejectedId, tokenizerDigest: made.tokeniser.tokenizerDigest }
  if (tokenised._tag !== "Tokenised") {
    const [id, split] = [await textPairId(datasetId, derived), await splitOf(textOf(prompt))]
    return { ...row, id, split, status: "dropped", reason: tokenised.reason }
  }
  const id = await pairId(datasetId, tokenised)
  const split = await splitOf(made.canonicalPrompt(tokenised.promptIds))
  return { ...row, id, split, status: "ready", reason: null, tokens: await tokensOf(tokenised) }
}

const NO_IDS = new Uint32Array(0)

const tokeniseVerdict = (prompt: Text, response: Text, made: Preparation) => {
  const { form, reference, tokeniser } = made
  const { tokenisation, maxPositions } = tokeniser
  return refusable(() => {
    const text = inForm({ prompt, chosen: response, rejected: response }, form)
    const answer = { prompt: text.prompt, response: text.chosen } as ResponseText
    return tokenisation.tokeniseResponse(answer, {
      maxLength: Math.min(reference.maxLength, maxPositions),
      overflow: "drop",
    })
  })
}

/** A verdict is a pair without its other response: what it says of the opposite verdict on the same one is as of a pair's opposite. */
const prepareVerdict = async (
  { prompt, candidates }: Comparison,
  { value }: Verdict,
  made: Preparation,
): Promise<PairRow> => {
  const { datasetId } = made.reference
  const { id: candidate, response } = candidates[0]
  const isDesirable = value === "desirable"
  const onItsSide = <A>(its: A, none: A) => (isDesirable ? ([its, none] as const) : ([none, its] as const))
  const [chosenId, rejectedId] = onItsSide(candidate, "")
  const row = { weight: 1, chosenId, rejectedId, side: isDesirable ? (1 as const) : (-1 as const) }
  const { tokenizerDigest } = made.tokeniser
  const tokenised = tokeniseVerdict(prompt, response, made)
  if (tokenised._tag !== "Tokenised") {
    const [chosen, rejected] = onItsSide<Text | null>(response, null)
    const [id, split] = [await textPairId(datasetId, { prompt, chosen, rejected }), await splitOf(textOf(prompt))]
    return { ...row, id, split, tokenizerDigest, status: "dropped", reason: tokenised.reason }
  }
  const { promptIds, responseIds } = tokenised
  const [chosenIds, rejectedIds] = onItsSide(responseIds, NO_IDS)
  const digest = await sha256Hex(responseDigestInput(promptIds, responseIds))
  const [chosenDigest, rejectedDigest] = onItsSide(digest, "")
  return {
    ...{ ...row, tokenizerDigest, status: "ready", reason: null },
    id: await pairId(datasetId, { promptIds, chosenIds, rejectedIds }),
    split: await splitOf(made.canonicalPrompt(promptIds)),
    promptDigest: await sha256Hex(canonicalJson(Array.from(promptIds))),
    tokens: { promptIds, chosenIds, rejectedIds, chosenDigest, rejectedDigest },
  }
}

const outcomeOf = (arrival: Arrival, pairs: readonly PairRow[], omitted: number): Outcome => {
  const isPaired = pairs.some(({ status }) => status === "ready")
  const dropReasons = [...new Set(pairs.flatMap(({ reason }) => reason ?? []))].join("; ")
  const capReason = omitted > 0 ? `the ${pairs.length} widest of ${pairs.length + omitted} pairs were kept` : null
  return { arrival, pairs, status: isPaired ? "paired" : "dropped", reason: isPaired ? capReason : dropReasons }
}

/** What becomes of one comparison. Never fails because of what the comparison says: a bad one is dropped with the reason. */
export const prepareOutcome = (arrival: Arrival, line: string | undefined, made: Preparation): Effect.Effect<Outcome> =>
  parsePayload(line).pipe(
    Effect.flatMap((comparison) => {
      const { judgement } = comparison
      if (judgement.kind === "verdict" && comparison.candidates.length === 1)
        return Effect.map(
          Effect.promise(() => prepareVerdict(comparison, judgement, made)),
          (row) => outcomeOf(arrival, [row], 0),
        )
      const derivation = derivePairs(comparison)
      if (derivation.kind === "none") return Effect.fail(new ComparisonInvalid({ detail: derivation.reason }))
      return Effect.promise(() => Promise.all(derivation.pairs.map((pair) => prepareOne(pair, made)))).pipe(
        Effect.map((rows) => outcomeOf(arrival, rows, derivation.omitted)),
      )
    }),
    Effect.catch(({ message }) => Effect.succeed<Outcome>({ arrival, status: "dropped", reason: message, pairs: [] })),
  )
