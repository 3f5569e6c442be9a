// Fills the real bindings as gateway and scorer do, and calls the orchestrator as they do.
import { applyD1Migrations, type D1Migration, runInDurableObject } from "cloudflare:test"
import { env, exports } from "cloudflare:workers"
import type { Run } from "#shared/domain/Run.ts"
import { canonicalJson, referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import type { OrchestratorRpc, RpcResult, ScorerRpc, TriggerInput } from "#shared/wire/services.ts"
import type { Environment } from "#workers/orchestrator/Environment.ts"
import type { WorkflowRun } from "#workers/orchestrator/engine/WorkflowRun.ts"
import { runIdOf as ownRunId } from "#workers/orchestrator/runs/trigger.ts"
import type { Sweeper } from "#workers/orchestrator/sweep/Sweeper.ts"
import { emptyStores } from "../empty-stores.ts"

interface ScorerStandIn extends ScorerRpc {
  reset(fingerprint: string): Promise<void>
  configure(change: {
    readonly away?: number
    readonly refusal?: string
    readonly unusable?: string
    readonly spoilt?: number
  }): Promise<void>
  calls(): Promise<number>
}

export const bindings = env as unknown as Environment & {
  readonly MIGRATIONS: D1Migration[]
  readonly SCORER: ScorerStandIn
}

export const orchestrator = (exports as unknown as { Orchestrator: OrchestratorRpc }).Orchestrator

export const DATASET = "support"
export const TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>

export const putBlob = async (content: Uint8Array<ArrayBuffer> | string): Promise<string> => {
  const bytes = typeof content === "string" ? utf8(content) : content
  const digest = await sha256Hex(bytes)
  await bindings.BLOBS.put(`blobs/${digest}`, bytes)
  return digest
}

export const readBlob = async (digest: string): Promise<Uint8Array<ArrayBuffer>> => {
  const object = await bindings.BLOBS.get(`blobs/${digest}`)
  if (object === null) throw new Error(`no blob ${digest}`)
  return new Uint8Array(await object.arrayBuffer())
}

/** The value of a successful answer. */
export const valueIn = <A>(result: RpcResult<A>): A => {
  if (!result.ok) throw new Error(`${result.error._tag}: ${result.error.message}`)
  return result.value
}

const CONFIG = JSON.stringify({
  ...{ architectures: ["LlamaForCausalLM"], model_type: "llama", vocab_size: 8, hidden_size: 4, intermediate_size: 4 },
  ...{ num_hidden_layers: 1, num_attention_heads: 1, rms_norm_eps: 1e-5, max_position_embeddings: 16 },
  tie_word_embeddings: true,
})

const zeros = ([name, shape]: [string, readonly number[]]) =>
  tensorOf(name, shape, new Float32Array(shape.reduce((size, side) => size * side, 1)))

/** The tensors of the base model, all zero. */
export const BASE_TENSORS = [...decoderTensorShapes(parseDecoderConfig(CONFIG))].map(zeros)

const BASE_CONTENTS = {
  "config.json": CONFIG,
  "model.safetensors": writeSafetensors(BASE_TENSORS),
  "model.onnx": "graph",
  "tokenizer.json": '{"a":1}',
  "tokenizer_config.json": JSON.stringify({ chat_template: TEMPLATE }),
}

export const baseFiles = async (): Promise<Record<string, string>> => {
  const entries = await Promise.all(
    Object.entries(BASE_CONTENTS).map(async ([name, content]) => [name, await putBlob(content)] as const),
  )
  return Object.fromEntries(entries)
}

export const createDataset = (id: string, threshold: number | null = null, config: object = {}) =>
  bindings.DB.prepare(
    `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_threshold, retrain_config, created_at)
     VALUES (?, 'tiny', 1, 64, ?, ?, 0)`,
  )
    .bind(id, threshold, JSON.stringify(config))
    .run()

/** Empty stores, one registered base model and one dataset without pairs. */
export const startWorld = async (threshold: number | null = null): Promise<void> => {
  await emptyStores(bindings.DB)
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS)
  const files = await baseFiles()
  valueIn(await orchestrator.registerModel({ name: "tiny", kind: "base", files }))
  await createDataset(DATASET, threshold)
  const fingerprint = await referenceFingerprint({
    weights: files["model.safetensors"]!,
    tokenizer: files["tokenizer.json"]!,
    template: await sha256Hex(TEMPLATE),
  })
  await bindings.SCORER.reset(fingerprint)
}

const PROMPT = 3
const CHOSEN = 4
const REJECTED = 5

const littleEndian = (ids: readonly number[]): ArrayBuffer => {
  const view = new DataView(new ArrayBuffer(4 * ids.length))
  ids.forEach((id, index) => {
    view.setUint32(4 * index, id, true)
  })
  return view.buffer
}

/** Ready pairs number `from` to `to` − 1, every fourth held out; resolves to their ids. */
export const addPairs = async (from: number, to: number, datasetId = DATASET): Promise<string[]> => {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index)
  const ids = await Promise.all(numbers.map((number) => sha256Hex(`${datasetId}:pair:${number}`)))
  const comparison = bindings.DB.prepare(
    `INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
     VALUES (?, ?, 'api', ?, 'choice', '', 0, 'paired', 0)`,
  )
  const pair = bindings.DB.prepare(
    `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids,
                        prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
     VALUES (?, ?, ?, 'ready', 1, ?, '', ?, ?, ?, ?, ?, ?, ?)`,
  )
  const rows = await Promise.all(
    numbers.map(async (number, index) => {
      const id = ids[index]!
      const tokens = Array.from({ length: PROMPT + CHOSEN + REJECTED }, (_, at) => (number + at) % 50)
      const digests = [await sha256Hex(`${id}:chosen`), await sha256Hex(`${id}:rejected`)]
      return [
        comparison.bind(id, datasetId, String(number)),
        pair.bind(
          ...[id, datasetId, id, number % 4 === 3 ? "held-out" : "train", littleEndian(tokens)],
          ...[PROMPT, CHOSEN, REJECTED, ...digests, Date.now()],
        ),
      ]
    }),
  )
  await bindings.DB.batch(rows.flat())
  return ids
}

/** Gives every pair this many tokens, half of them of either response. */
export const lengthenPairs = (tokens: number) =>
  bindings.DB.prepare(
    "UPDATE pairs SET token_ids = zeroblob(?), prompt_tokens = 2, chosen_tokens = ?, rejected_tokens = ?",
  )
    .bind(4 * tokens, tokens / 2 - 1, tokens / 2 - 1)
    .run()

export const triggerOnce = async (key: string, input: Partial<TriggerInput> = {}): Promise<string> =>
  valueIn(await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key, ...input })).runId

/** The id of the run that a trigger with this key begins. */
export const runIdOf = (key: string): Promise<string> => ownRunId({ datasetId: DATASET, key })

export const getRun = async (runId: string): Promise<Run> => valueIn(await orchestrator.getRun(runId))

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Polls until a condition holds; fails with what it saw last. */
export const until = async <A>(look: () => Promise<A>, holds: (seen: A) => boolean, waitMs = 20_000): Promise<A> => {
  const deadline = Date.now() + waitMs
  for (;;) {
    const seen = await look()
    if (holds(seen)) return seen
    if (Date.now() > deadline) throw new Error(`it never came true; last seen: ${canonicalJson(seen)}`)
    await sleep(20)
  }
}

export const finished = (runId: string, waitMs?: number): Promise<Run> =>
  until(
    () => getRun(runId),
    ({ status }) => status !== "running",
    waitMs,
  )

const runStub = (runId: string): DurableObjectStub =>
  (env as unknown as { WORKFLOW_RUN: DurableObjectNamespace }).WORKFLOW_RUN.getByName(runId)

export const inWorkflowRun = <A>(runId: string, use: (run: WorkflowRun, state: DurableObjectState) => A | Promise<A>) =>
  runInDurableObject(runStub(runId) as never, use as never) as Promise<A>

export const inSweeper = <A>(use: (sweeper: Sweeper, state: DurableObjectState) => Promise<A>): Promise<A> =>
  runInDurableObject((env as unknown as { SWEEPER: DurableObjectNamespace<Sweeper> }).SWEEPER.getByName("sweeper"), use)

/** What the sweeper has counted. */
export const sweepCount = async (name: string): Promise<number> =>
  (await bindings.DB.prepare("SELECT value FROM sweep_counters WHERE name = ?").bind(name).first<number>("value")) ?? 0

/** What the dataset's channels point at. */
export const channelsNow = async (): Promise<Record<string, number>> =>
  Object.fromEntries(valueIn(await orchestrator.channels(DATASET)).map(({ channel, version }) => [channel, version]))

/** The gates that are closed. */
export const failedGates = (gates: readonly { readonly gate: string; readonly passed: boolean }[]): string[] =>
  gates.filter(({ passed }) => !passed).map(({ gate }) => gate)

/** Kills an object as a crash does: what it had in memory is gone, calls to it fail. */
export const abortObject = (stub: DurableObjectStub): Promise<void> =>
  runInDurableObject(stub as never, (_, state) => state.abort("killed by the test")).catch(
    () => undefined,
  ) as Promise<void>
