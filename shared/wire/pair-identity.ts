// What names a pair, on which side of the split it stands, and which prompts are the same. All three go by what the model
// reads, token ids, and are the same for edge and runner.
import { Schema } from "effect"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { Message, Tokenisation, TokenisationPolicy } from "#shared/tokenisation/tokenisation.ts"

/** Whether a pair is trained on or judged by. */
export const Split = Schema.Literals(["train", "held-out"])
export type Split = typeof Split.Type

/**
 * Of the rule below; a run says by which its pairs were split, and runs of different rules are not comparable. 1 went by the
 * prompt as it was delivered, text or messages.
 */
export const SPLIT_RULE = 2

/** Pairs whose prompt's digest falls below this share of the range are held out from training, in every run. */
const HELD_OUT_SHARE = 0.25
const RANGE_OF_32_BITS = 2 ** 32

export interface PairIds {
  readonly promptIds: ArrayLike<number>
  readonly chosenIds: ArrayLike<number>
  readonly rejectedIds: ArrayLike<number>
}

/** Digest of what the model reads of a pair, whoever said it and in whatever form. */
export const pairId = (datasetId: string, { promptIds, chosenIds, rejectedIds }: PairIds): Promise<string> =>
  textPairId(datasetId, {
    prompt: Array.from(promptIds),
    chosen: Array.from(chosenIds),
    rejected: Array.from(rejectedIds),
  })

/** Digest of a pair that has no tokens because it was dropped: of its texts or messages. */
export const textPairId = (
  datasetId: string,
  { prompt, chosen, rejected }: { readonly prompt: unknown; readonly chosen: unknown; readonly rejected: unknown },
): Promise<string> => sha256Hex(canonicalJson({ dataset: datasetId, prompt, chosen, rejected }))

const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu
/** Unicode's, which has the next-line control U+0085; the separators of information (U+001C to U+001F) are none, though Python strips them. */
const WHITE_SPACE = /\p{White_Space}+/gu

/**
 * The canonical form of a text: without invisible characters, NFKC, every run of white space one space, none at the ends. Case
 * is kept: it is content in code and names, and what differs in case alone is a near duplicate.
 */
export const foldText = (text: string): string =>
  text.replace(INVISIBLE, "").normalize("NFKC").replace(WHITE_SPACE, " ").trim()

interface Frame {
  readonly before: string
  readonly after: string
}

/** How many characters two texts share at their start. */
const sharedStart = (a: string, b: string): number => {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return length
}

export interface CanonicalOptions {
  /** The dataset's, before every conversation. */
  readonly systemText?: string | undefined
  /** As the prompts were tokenised. */
  readonly policy?: Pick<TokenisationPolicy, "chatTemplateOptions" | "responseIncludesHeader">
}

/** What the template writes around one user turn, found by two that differ in their content alone; undefined without one. */
const frameOf = (tokenisation: Tokenisation, { systemText, policy }: CanonicalOptions): Frame | undefined => {
  if (tokenisation.chatTemplate === undefined) return undefined
  const system: readonly Message[] = systemText === undefined ? [] : [{ role: "system", content: systemText }]
  const written = (content: string): string | undefined => {
    const text = {
      prompt: [...system, { role: "user", content } as Message],
      response: [{ role: "assistant", content } as Message],
    }
    try {
      const limits = { maxLength: Number.MAX_SAFE_INTEGER, overflow: "drop" } as const
      const tokenised = tokenisation.tokeniseResponse(text, { ...policy, ...limits })
      return tokenised._tag === "Dropped" ? undefined : textOfIds(tokenisation, tokenised.promptIds)
    } catch {
      // A template that refuses such a conversation frames none.
      return undefined
    }
  }
  const [one, other] = [written("1"), written("2")]
  if (one === undefined || other === undefined) return undefined
  const start = sharedStart(one, other)
  return one[start] === "1" ? { before: one.slice(0, start), after: one.slice(start + 1) } : undefined
}

const textOfIds = (tokenisation: Tokenisation, ids: ArrayLike<number>): string =>
  tokenisation.decode(ids, { skipSpecialTokens: true })

/**
 * The canonical form of prompts, from their token ids: their text without special tokens, without what the template writes
 * around a single user turn, folded. So a text, a conversation of it alone, and their variants in composition, width, white
 * space and invisible characters are one prompt, and equal ids are always one. A conversation of more turns is its whole text.
 */
export const canonicalPrompts = (
  tokenisation: Tokenisation,
  options: CanonicalOptions = {},
): ((promptIds: ArrayLike<number>) => string) => {
  const frame = frameOf(tokenisation, options)
  return (promptIds) => {
    const text = textOfIds(tokenisation, promptIds)
    if (frame === undefined) return foldText(text)
    const { before, after } = frame
    const isFramed = text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after)
    return foldText(isFramed ? text.slice(before.length, text.length - after.length) : text)
  }
}

/** Held out or not, by the prompt's canonical form alone: all pairs of a prompt fall on the same side, in every run. */
export const splitOf = async (canonicalPrompt: string): Promise<Split> => {
  const digest = await sha256Hex(canonicalJson(canonicalPrompt))
  return Number.parseInt(digest.slice(0, 8), 16) / RANGE_OF_32_BITS < HELD_OUT_SHARE ? "held-out" : "train"
}
