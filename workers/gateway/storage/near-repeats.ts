// How many of a dataset's held-out pairs nearly repeat a trained prompt, before any run: of a bounded sample, so that a dataset is looked
// at as fast as ever. Ids are digests, so the first by id are a fair sample, and the same at every look.
import { Effect } from "effect"
import type { NearRepeats } from "#shared/domain/Dataset.ts"
import { nearDuplicates } from "#shared/wire/near-duplicates.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import { wordsOf } from "#shared/wire/pair-tokens.ts"
import type { Database } from "./Database.ts"

/** Pairs that are compared, and how much of each prompt: a few million hashes at the usual lengths. */
const SAMPLE = { heldOut: 250, train: 1000, promptTokens: 512 } as const

interface Columns {
  readonly prompt: readonly number[]
}

export const countNearRepeats = Effect.fnUntraced(function* (database: Database["Service"], datasetId: string) {
  const prompts = (split: Split, most: number) =>
    database
      .all<Columns>(
        `SELECT substr(token_ids, 1, 4 * min(prompt_tokens, ?)) AS prompt FROM pairs
          WHERE dataset_id = ? AND status = 'ready' AND split = ? AND side = 0 AND token_ids IS NOT NULL ORDER BY id LIMIT ?`,
        ...[SAMPLE.promptTokens, datasetId, split, most],
      )
      .pipe(Effect.map((rows) => rows.map(({ prompt }) => wordsOf(prompt))))
  const heldOut = yield* prompts("held-out", SAMPLE.heldOut)
  const train = heldOut.length === 0 ? [] : yield* prompts("train", SAMPLE.train)
  const nearRepeats = nearDuplicates(train, heldOut).filter(Boolean).length
  return { nearRepeats, ofHeldOut: heldOut.length, againstTrain: train.length } satisfies NearRepeats
})
