// Synthetic pairs of a dataset, as gateway and scorer would leave them: rows in D1, records in KV, a base model's small files in R2.
// Each pair is a function of its number and its dataset; ids are digests, so that rows lie as scattered as real ones.
import { referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import { blobKey } from "#shared/wire/blobs.ts"
import { slices } from "#shared/wire/limits.ts"
import { encodePairTokens, type PairTokens } from "#shared/wire/pair-tokens.ts"
import { encodeRecord, recordKey } from "#shared/wire/reference-record.ts"
import type { Environment } from "#workers/orchestrator/Environment.ts"

export type Stores = Pick<Environment, "DB" | "BLOBS" | "REFERENCES">

/** Mean tokens of a prompt and of a response. */
export interface PairLength {
  readonly prompt: number
  readonly response: number
}

/** Some pairs of a dataset, by their numbers. */
export interface Filling {
  readonly datasetId: string
  readonly from: number
  readonly count: number
  readonly length: PairLength
  /** Whose log-probs are in KV; absent: none are. */
  readonly fingerprint?: string
}

const VOCABULARY_SIZE = 32_000
const ROWS_PER_STATEMENT = 500
const PAIRS_AT_ONCE = 100

const idsOf = (count: number, seed: number): Uint32Array =>
  Uint32Array.from(
    { length: count },
    (_, index) => ((Math.imul(seed + 1, 2_654_435_761) >>> 0) + 7919 * index) % VOCABULARY_SIZE,
  )

/** A length that is a third away from the mean at most. */
const lengthNear = (mean: number, number: number): number => {
  const most = Math.floor(mean / 3)
  return mean - most + (number % (2 * most + 1))
}

/** The token ids of pair `number`. */
export const tokensOfPair = (number: number, { prompt, response }: PairLength): PairTokens => ({
  promptIds: idsOf(lengthNear(prompt, number), number),
  chosenIds: idsOf(lengthNear(response, number), number + 1),
  rejectedIds: idsOf(lengthNear(response, number + 7), number + 2),
})

export const logProbsOf = (count: number, number: number): Float32Array =>
  Float32Array.from({ length: count }, (_, at) => -0.5 - ((number + at) % 97) / 50)

const CHAT_TEMPLATE = "{{ messages }}"

const BASE_CONTENTS: Readonly<Record<string, string>> = {
  "model.safetensors": "weights",
  "tokenizer.json": "{}",
  "tokenizer_config.json": JSON.stringify({ chat_template: CHAT_TEMPLATE }),
}

/** Stores the base model; its files by name, its fingerprint, and its template. */
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
  return { files, fingerprint, chatTemplate: CHAT_TEMPLATE, vocabularySize: VOCABULARY_SIZE }
}

/** A trigger has statements of its own inside. */
const STATEMENT = /CREATE TRIGGER[\s\S]*?\bEND;|[^\s;][^;]*;/g

export const migrate = async ({ DB }: Stores, migrations: readonly string[]): Promise<void> => {
  for (const text of migrations)
    for (const [statement] of text.replaceAll(/--.*$/gm, "").matchAll(STATEMENT)) await DB.prepare(statement).run()
}

/** A dataset without pairs, and a run that is under way on it. */
export const storeDataset = async ({ DB }: Stores, datasetId: string): Promise<void> => {
  await DB.batch([
    DB.prepare(
      `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at)
       VALUES (?, 'base', 1, 4096, '{}', 0)`,
    ).bind(datasetId),
    DB.prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
       VALUES (?1, ?1, 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
    ).bind(datasetId),
  ])
}

const hexOf = (bytes: ArrayBuffer): string =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("")

/** A pair's columns, in the order of INSERT_PAIRS; its records go into KV. */
const storePair = async (REFERENCES: KVNamespace, { datasetId, length, fingerprint }: Filling, number: number) => {
  const id = await sha256Hex(`${datasetId}:${number}`)
  const columns = encodePairTokens(tokensOfPair(number, length))
  const digests = await Promise.all(["chosen", "rejected"].map((side) => sha256Hex(`${id}:${side}`)))
  if (fingerprint !== undefined) {
    const counts = [columns.chosen_tokens, columns.rejected_tokens]
    for (const [index, digest] of digests.entries()) {
      const { value, metadata } = encodeRecord(logProbsOf(counts[index]!, number), "wasm")
      await REFERENCES.put(recordKey(fingerprint, digest), value, { metadata })
    }
  }
  return [
    ...[id, number % 4 === 3 ? "held-out" : "train", hexOf(columns.token_ids), columns.prompt_tokens],
    ...[columns.chosen_tokens, columns.rejected_tokens, ...digests],
  ]
}

const INSERT_COMPARISONS = `
  INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
  SELECT value ->> 0, ?1, 'api', value ->> 0, 'choice', '', 0, 'paired', 0 FROM json_each(?2)`

const INSERT_PAIRS = `
  INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids,
                     prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
  SELECT value ->> 0, ?1, value ->> 0, 'ready', 1, value ->> 1, '', unhex(value ->> 2),
         value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, 0 FROM json_each(?2)`

/** Stores pairs of a dataset that is there. */
export const storePairs = async ({ DB, REFERENCES }: Stores, filling: Filling): Promise<void> => {
  const numbers = Array.from({ length: filling.count }, (_, index) => filling.from + index)
  for (const some of slices(numbers, ROWS_PER_STATEMENT)) {
    const rows: unknown[] = []
    for (const few of slices(some, PAIRS_AT_ONCE))
      rows.push(...(await Promise.all(few.map((number) => storePair(REFERENCES, filling, number)))))
    const bound = [filling.datasetId, JSON.stringify(rows)]
    await DB.batch([INSERT_COMPARISONS, INSERT_PAIRS].map((statement) => DB.prepare(statement).bind(...bound)))
  }
}
