// Fills the real bindings as the gateway does, hands messages to the consumer, and reads back what came of it.
import {
  applyD1Migrations,
  createExecutionContext,
  createMessageBatch,
  type D1Migration,
  getQueueResult,
} from "cloudflare:test"
import { env } from "cloudflare:workers"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { COUNT_VOTES, FORGET_STATED, MARK_STATED } from "#shared/judgement/pair-votes.ts"
import type { IngestMessage } from "#shared/wire/services.ts"
import type { Environment } from "#workers/scorer/Environment.ts"
import { loadedModels } from "#workers/scorer/LoadedModels.ts"
import { consume } from "#workers/scorer/main.ts"
import { emptyStores } from "../empty-stores.ts"
import { makeTinyModel, type TinyModel } from "./tiny-model.ts"

interface OrchestratorNotes {
  failNext(times: number): Promise<void>
  takeCalls(): Promise<string[]>
}

export const bindings = env as unknown as Environment & {
  readonly INGEST: Queue<IngestMessage>
  readonly MIGRATIONS: D1Migration[]
  readonly ORCHESTRATOR: OrchestratorNotes
}

export const DATASET = "support"
export const CHAT_DATASET = "support-chat"
export const model: TinyModel = await makeTinyModel(1)

export const putBlob = async (bytes: Uint8Array<ArrayBuffer>, digest?: string): Promise<string> => {
  const name = digest ?? (await sha256Hex(bytes))
  await bindings.BLOBS.put(`blobs/${name}`, bytes)
  return name
}

export const registerModel = async (name: string, { files, contents }: Pick<TinyModel, "files" | "contents">) => {
  for (const bytes of Object.values(contents)) await putBlob(bytes)
  const digest = await sha256Hex(canonicalJson(files))
  await bindings.DB.prepare(
    "INSERT INTO models (name, version, kind, digest, files, metrics, created_at) VALUES (?, 1, 'base', ?, ?, '{}', 0)",
  )
    .bind(name, digest, JSON.stringify(files))
    .run()
}

export interface DatasetOptions {
  readonly maxLength?: number
  readonly promptForm?: "text" | "chat" | null
  readonly systemText?: string
}

export const createDataset = (id: string, referenceModel: string, options: DatasetOptions = {}) =>
  bindings.DB.prepare(
    `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_threshold, retrain_config, created_at,
                           prompt_form, system_text)
     VALUES (?, ?, 1, ?, NULL, '{}', 0, ?, ?)`,
  )
    .bind(
      ...[id, referenceModel, options.maxLength ?? 128],
      ...[options.promptForm === undefined ? "text" : options.promptForm, options.systemText ?? null],
    )
    .run()

/** Empty stores, a fresh isolate, one registered model, and a dataset of plain text and one of conversations. */
export const startWorld = async (): Promise<void> => {
  await emptyStores(bindings.DB)
  await loadedModels.clear()
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS)
  await registerModel("tiny", model)
  await createDataset(DATASET, "tiny")
  await createDataset(CHAT_DATASET, "tiny", { promptForm: "chat" })
  await bindings.ORCHESTRATOR.takeCalls()
}

/** Stores payload lines as one blob and a waiting comparison for each; resolves to the comparisons' ids. */
export const receiveLines = async (lines: readonly string[], datasetId = DATASET): Promise<string[]> => {
  const digest = await putBlob(new TextEncoder().encode(lines.join("\n")) as Uint8Array<ArrayBuffer>)
  const ids = await Promise.all(lines.map((line, index) => sha256Hex(`${datasetId}:${index}:${line}`)))
  await bindings.DB.batch(
    ids.flatMap((id, index) => [
      bindings.DB.prepare(
        `INSERT INTO comparisons (id, dataset_id, source, external_id, task, judgement_kind, payload_digest, payload_line,
                                  status, received_at)
         VALUES (?, ?, 'api', ?, 'answering', 'choice', ?, ?, 'received', 0)`,
      ).bind(id, datasetId, `external-${id}`, digest, index),
      bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) VALUES (?, 0)").bind(id),
    ]),
  )
  return ids
}

export const receive = (comparisons: readonly Comparison[], datasetId = DATASET): Promise<string[]> =>
  receiveLines(
    comparisons.map((comparison) => JSON.stringify(comparison)),
    datasetId,
  )

/** Hands one batch to the consumer, as the queue would; resolves to what it did with each comparison's message. */
export const deliver = async (
  comparisonIds: readonly unknown[],
  environment: Environment = bindings,
): Promise<{ acknowledged: string[]; retried: string[] }> => {
  const messages = comparisonIds.map((comparisonId, index) => ({
    id: String(index),
    timestamp: 0,
    attempts: 1,
    body: { comparisonId } as IngestMessage,
  }))
  const batch = createMessageBatch<IngestMessage>("yohaku-ingest", messages)
  const context = createExecutionContext()
  await consume(batch, environment)
  const result = await getQueueResult(batch, context)
  const named = (id: string) => String(comparisonIds[Number(id)])
  return {
    acknowledged: result.explicitAcks.map(named),
    retried: result.retryBatch.retry
      ? comparisonIds.map(String)
      : result.retryMessages.map(({ msgId }) => named(msgId)),
  }
}

/** As the gateway does, where one is taken back. */
export const takeBack = (comparisonId: string) =>
  bindings.DB.batch([
    ...[MARK_STATED("(?1)"), FORGET_STATED("(?1)")].map((sql) => bindings.DB.prepare(sql).bind(comparisonId)),
    ...COUNT_VOTES.map((sql) => bindings.DB.prepare(sql)),
    bindings.DB.prepare("UPDATE comparisons SET status = 'retracted' WHERE id = ?").bind(comparisonId),
    bindings.DB.prepare("DELETE FROM outbox WHERE comparison_id = ?").bind(comparisonId),
  ])

export const choice = (prompt: string, better: string, worse: string, externalId = "one"): Comparison => ({
  externalId,
  prompt,
  candidates: [
    { id: "a", response: worse },
    { id: "b", response: better },
  ],
  judgement: { kind: "choice", winner: "b" },
})

export interface PairRecord {
  readonly id: string
  readonly comparison_id: string
  readonly dataset_id: string
  readonly task: string | null
  readonly status: string
  readonly reason: string | null
  readonly weight: number
  readonly split: string
  readonly tokenizer_digest: string
  readonly token_ids: number[] | null
  readonly prompt_tokens: number
  readonly chosen_tokens: number
  readonly rejected_tokens: number
  readonly chosen_digest: string
  readonly rejected_digest: string
  readonly votes_for: number
  readonly votes_against: number
}

export const pairs = async (): Promise<PairRecord[]> =>
  (await bindings.DB.prepare("SELECT * FROM pairs ORDER BY id").all<PairRecord>()).results

/** The pair, where there must be exactly one. */
export const only = async (): Promise<PairRecord> => {
  const all = await pairs()
  if (all.length !== 1) throw new Error(`one pair was expected, there are ${all.length}`)
  return all[0]!
}

export const comparisonStates = async (): Promise<Record<string, string>> => {
  const { results } = await bindings.DB.prepare("SELECT id, status, reason FROM comparisons").all<{
    id: string
    status: string
    reason: string | null
  }>()
  return Object.fromEntries(
    results.map(({ id, status, reason }) => [id, reason === null ? status : `${status}: ${reason}`]),
  )
}

export const outbox = async () =>
  (
    await bindings.DB.prepare("SELECT comparison_id, last_error FROM outbox").all<{
      comparison_id: string
      last_error: string | null
    }>()
  ).results

export const counters = async (): Promise<Record<string, number>> => {
  const { results } = await bindings.DB.prepare("SELECT name, value FROM scorer_counters").all<{
    name: string
    value: number
  }>()
  return Object.fromEntries(results.map(({ name, value }) => [name, value]))
}

/** Token ids of a stored pair's prompt, chosen and rejected. */
export const tokenIds = (pair: PairRecord) => {
  const view = new DataView(Uint8Array.from(pair.token_ids ?? []).buffer)
  const ids = Array.from({ length: view.byteLength / 4 }, (_, index) => view.getUint32(4 * index, true))
  const rejectedStart = pair.prompt_tokens + pair.chosen_tokens
  return {
    prompt: ids.slice(0, pair.prompt_tokens),
    chosen: ids.slice(pair.prompt_tokens, rejectedStart),
    rejected: ids.slice(rejectedStart),
  }
}
