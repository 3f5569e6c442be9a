// A pack to token rows, after checking that it belongs to the model at hand.
import { decodePack, type Pack, packPair } from "#shared/wire/pack.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import { PackMismatch } from "../errors.ts"
import { sha256 } from "../files.ts"
import type { ModelFolder } from "../model/model-folder.ts"
import { responseLogProb } from "./reference-file.ts"
import { rowPositions, type TokenRow } from "./token-rows.ts"

export interface PackRows {
  readonly train: readonly TokenRow[]
  readonly heldOut: readonly TokenRow[]
  readonly dropped: readonly { readonly reason: string }[]
  /** SHA-256 of the pack. */
  readonly digest: string
  /** Fingerprint of the model that scored the pack; undefined without log-probs. */
  readonly referenceDigest: string | undefined
}

export interface PackOptions {
  readonly kind: "pairs" | "responses"
  /** Tokens of a prompt and its longer response; longer rows are dropped, since packs cannot be cut again. */
  readonly maxLength: number
}

/** Reads a pack. Errors: InvalidPack, PackMismatch (another tokenizer, another reference, ids outside the vocabulary). */
export function readPack(bytes: Uint8Array, model: ModelFolder, options: PackOptions): PackRows {
  const pack = decodePack(bytes)
  checkOrigin(pack, model)
  const rows: Record<Split, TokenRow[]> = { train: [], "held-out": [] }
  const dropped: { reason: string }[] = []
  for (let index = 0; index < pack.pairCount; index++) {
    const pair = packPair(pack, index)
    // Held-out rows stay pairs whatever is trained: accuracy is a matter of pairs.
    const kind = pair.split === "held-out" ? "pairs" : options.kind
    const row = rowOf(pair, kind)
    const reason = dropReason(row, kind, options.maxLength)
    if (reason === undefined) rows[pair.split].push(row)
    else dropped.push({ reason })
  }
  const referenceDigest = pack.meta.reference === "" ? undefined : pack.meta.reference
  return { train: rows.train, heldOut: rows["held-out"], dropped, digest: sha256(bytes), referenceDigest }
}

function rowOf(pair: ReturnType<typeof packPair>, kind: PackOptions["kind"]): TokenRow {
  const { id, weight, referenceLogProbs: reference } = pair
  return {
    id,
    weight,
    promptIds: Uint32Array.from(pair.promptIds),
    chosenIds: Uint32Array.from(pair.chosenIds),
    rejectedIds: kind === "pairs" ? Uint32Array.from(pair.rejectedIds) : new Uint32Array(0),
    reference: reference && {
      chosen: { ...responseLogProb(reference.chosen), logProbs: reference.chosen },
      rejected: { ...responseLogProb(reference.rejected), logProbs: reference.rejected },
    },
  }
}

function dropReason(row: TokenRow, kind: PackOptions["kind"], maxLength: number): string | undefined {
  if (row.weight === 0) return "zero-weight"
  if (rowPositions(row) > maxLength) return "over-length"
  const { chosenIds, rejectedIds } = row
  const isSame = chosenIds.length === rejectedIds.length && chosenIds.every((id, i) => id === rejectedIds[i])
  return kind === "pairs" && isSame ? "identical" : undefined
}

function checkOrigin({ meta, tokenIds }: Pack, model: ModelFolder): void {
  if (meta.tokenizer !== model.tokenizerDigest) {
    throw new PackMismatch(
      `the pack was tokenised with tokenizer.json ${meta.tokenizer.slice(0, 12)}…, the model's is ${model.tokenizerDigest.slice(0, 12)}…; build the pack with this model`,
    )
  }
  if (meta.reference !== "" && meta.reference !== model.fingerprint) {
    throw new PackMismatch(
      `the pack's log-probs are of reference ${meta.reference.slice(0, 12)}…, this model is ${model.fingerprint.slice(0, 12)}…: weights, tokenizer or template differ; score the pairs with this model`,
    )
  }
  const outside = tokenIds.find((id) => id >= model.config.vocabularySize)
  if (outside !== undefined) {
    throw new PackMismatch(
      `the pack holds token id ${outside}, outside the model's vocabulary of ${model.config.vocabularySize}; build the pack with this model`,
    )
  }
}
