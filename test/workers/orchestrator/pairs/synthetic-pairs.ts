// Synthetic pairs of a dataset, as gateway and scorer would leave them: rows in D1, records in KV, a base model's small files in R2.
// Each pair is a function of its number, so that a larger dataset holds the smaller one's.
import { referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import { blobKey } from "#shared/wire/blobs.ts"
import { slices } from "#shared/wire/limits.ts"
import { encodePairTokens } from "#shared/wire/pair-tokens.ts"
import { encodeRecord, recordKey } from "#shared/wire/reference-record.ts"
import type { Environment } from "#workers/orchestrator/Environment.ts"

export type Stores = Pick<Environment, "DB" | "BLOBS" | "REFERENCES">

const VOCABULARY_SIZE = 32_000
/** 200 tokens a pair, half of them the prompt's on average. */
const PROMPT_TOKENS = 100
const RESPONSE_TOKENS = 50
const WRITTEN_AT_ONCE = 50

const idsOf = (count: number, seed: number): Uint32Array =>
  Uint32Array.from(
    { length: count },
    (_, index) => ((Math.imul(seed + 1, 2_654_435_761) >>> 0) + 7919 * index) % VOCABULARY_SIZE,
  )

/** How much longer than the mean a part of pair `index` is. */
const spread = (index: number, most: number): number => (index % (2 * most + 1)) - most

export const CHAT_TEMPLATE = "{{ messages }}"

const BASE_CONTENTS: Readonly<Record<string, string>> = {
  "model.safetensors": "weights",
  "tokenizer.json": "{}",
  "tokenizer_config.json": JSON.stringify({ chat_template: CHAT_TEMPLATE }),
}

/** The base model's files by name, and its fingerprint. */
export const storeBase = async ({ BLOBS }: Stores) => {
  const files: Record<string, string> = {}
  for (const [name, content] of Object.entries(BASE_CONTENTS)) {
    const digest = await sha256Hex(content)
    files[name] = digest
    await BLOBS.put(blobKey(digest), content)
  }
  const fingerprint = await referenceFingerprint({
    ...{ weights: files["model.safetensors"]!, tokenizer: files["tokenizer.json"]! },
    template: await sha256Hex(CHAT_TEMPLATE),
  })
  return { files, fingerprint }
}

/** A trigger has statements of its own inside. */
const STATEMENT = /CREATE TRIGGER[\s\S]*?\bEND;|[^\s;][^;]*;/g

export const migrate = async ({ DB }: Stores, migrations: readonly string[]): Promise<void> => {
  for (const text of migrations)
    for (const [statement] of text.replaceAll(/--.*$/gm, "").matchAll(STATEMENT)) await DB.prepare(statement).run()
}

const storePair = async ({ DB, REFERENCES }: Stores, datasetId: string, fingerprint: string, index: number) => {
  const id = await sha256Hex(`${datasetId}:${index}`)
  const responses = { chosen: RESPONSE_TOKENS + spread(index, 20), rejected: RESPONSE_TOKENS + spread(index + 7, 20) }
  const columns = encodePairTokens({
    promptIds: idsOf(PROMPT_TOKENS + spread(index, 30), index),
    chosenIds: idsOf(responses.chosen, index + 1),
    rejectedIds: idsOf(responses.rejected, index + 2),
  })
  const digests: string[] = []
  for (const [side, count] of Object.entries(responses)) {
    const digest = await sha256Hex(`${id}:${side}`)
    const record = encodeRecord(
      Float32Array.from({ length: count }, (_, at) => -0.5 - ((index + at) % 97) / 50),
      "wasm",
    )
    await REFERENCES.put(recordKey(fingerprint, digest), record.value, { metadata: record.metadata })
    digests.push(digest)
  }
  return [
    DB.prepare(
      `INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
       VALUES (?, ?, 'api', ?, 'choice', '', 0, 'paired', 0)`,
    ).bind(id, datasetId, String(index)),
    DB.prepare(
      `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids,
                          prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
       VALUES (?, ?, ?, 'ready', 1, ?, '', ?, ?, ?, ?, ?, ?, 0)`,
    ).bind(
      ...[id, datasetId, id, index % 4 === 3 ? "held-out" : "train", columns.token_ids, columns.prompt_tokens],
      ...[columns.chosen_tokens, columns.rejected_tokens, ...digests],
    ),
  ]
}

/** A dataset of so many scored pairs and a run that is under way on it. */
export const storePairs = async (stores: Stores, datasetId: string, fingerprint: string, count: number) => {
  await stores.DB.prepare(
    `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at)
     VALUES (?, 'base', 1, 4096, '{}', 0)`,
  )
    .bind(datasetId)
    .run()
  await stores.DB.prepare(
    `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
     VALUES (?, ?, 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
  )
    .bind(datasetId, datasetId)
    .run()
  const numbers = Array.from({ length: count }, (_, index) => index)
  for (const some of slices(numbers, WRITTEN_AT_ONCE)) {
    const statements = await Promise.all(some.map((index) => storePair(stores, datasetId, fingerprint, index)))
    await stores.DB.batch(statements.flat())
  }
}
