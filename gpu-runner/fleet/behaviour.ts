// How a policy behaves beside its base: greedy answers of both to some held-out prompts, in one batch where an adapter is judged, and the
// log-probs that both give to fixed texts. What the device computed of this base before is not computed again. What cannot be had is said in
// a sentence, and never passed over.
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readPack } from "#gpu-runner/data/rows/pack-data.ts"
import type { Rows, TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { BrokenLogits, GenerationTooLarge } from "#gpu-runner/generation/errors.ts"
import { openGenerator } from "#gpu-runner/generation/open-generator.ts"
import { responseText } from "#gpu-runner/generation/response-text.ts"
import type { GenerationRequest } from "#gpu-runner/generation/sequence-batch.ts"
import { scoredPair } from "#gpu-runner/trainer/results/evaluate.ts"
import { type ScoringModel, scoreGroups } from "#gpu-runner/trainer/results/scorer.ts"
import type { PackEvaluation } from "#gpu-runner/trainer/run/train-on-pack.ts"
import type { Files } from "#shared/domain/Files.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import {
  ANSWER_TOKENS,
  ANSWERED_PROMPTS,
  type Answer,
  type Behaviour,
  type ProbeScores,
} from "#shared/gates/behaviour.ts"
import { BUILT_IN_PROBES, type Probe, type ProbePair } from "#shared/gates/probe-texts.ts"
import { type Script, scriptOf } from "#shared/gates/script.ts"
import type { ScoredPair } from "#shared/methods/accuracy.ts"
import type { Evaluation } from "#shared/wire/evaluation.ts"
import { memoryOf } from "./base-memory.ts"

export interface JudgedBehaviour extends Omit<PackEvaluation, "split"> {
  /** The base, where `modelDir` is a whole model that was trained from it. */
  readonly baseDir?: string | undefined
  readonly baseFiles?: Files | undefined
  /** The dataset's own, after the built-in ones. */
  readonly probes?: readonly Probe[] | undefined
  /** As the evaluation found them: prompts that nearly repeat a trained one are answered only where there are no others. */
  readonly isNearDuplicate: readonly boolean[]
  /** Told of every answer that was generated: how many there are, of how many, with how many tokens together. */
  readonly onAnswered?: ((done: number, of: number, tokens: number) => void) | undefined
}

/** The policy, and what it is compared with. */
interface Compared extends Pick<JudgedBehaviour, "gpu" | "signal" | "onAnswered"> {
  readonly policy: ScoringModel
  readonly base: ScoringModel
}

/** Errors: those of readModelFolder, readAdapterFolder, readPack and createDecoder. */
export async function behaviourOnPack(
  judged: JudgedBehaviour,
): Promise<Required<Pick<Evaluation, "promptScripts" | "behaviour">>> {
  const { modelDir, modelFiles, adapterDir, baseDir, baseFiles, baseWeights, precision } = judged
  const model = await readModelFolder(modelDir, undefined, modelFiles)
  const adapter = adapterDir === undefined ? undefined : readAdapterFolder(adapterDir, model).adapter
  const base = baseDir === undefined ? model : await readModelFolder(baseDir, undefined, baseFiles)
  const held = { baseWeights, precision }
  const compared: Compared = {
    ...judged,
    policy: { model, adapter, ...held },
    base: { model: base, adapter: undefined, ...held },
  }
  const options = { kind: "pairs", maxLength: model.config.maxPositions, readsReference: false } as const
  const { heldOut } = await readPack(judged.pack, model, options)
  const promptScripts = Array.from(heldOut, (row) => scriptOfPrompt(model, row))
  const probes = await scoreProbes(compared, [...BUILT_IN_PROBES, ...(judged.probes ?? [])])
  const answered = await answersOf(compared, promptsToAnswer(heldOut, judged.isNearDuplicate, model), promptScripts)
  return { promptScripts, behaviour: { ...answered, probes } }
}

const scriptOfPrompt = ({ tokenisation }: ModelFolder, { promptIds }: TokenRow): Script =>
  scriptOf(tokenisation.decode(promptIds, { skipSpecialTokens: true }))

/** Room that a prompt must leave, where a model has few positions. */
const FEWEST_ANSWER_TOKENS = 8

interface PromptToAnswer {
  readonly pair: number
  readonly promptIds: Uint32Array
}

/** Distinct prompts, evenly spread over the pack's order, that leave room for an answer; new ones where there are any. */
function promptsToAnswer(
  heldOut: Rows,
  isNearDuplicate: readonly boolean[],
  { config }: ModelFolder,
): readonly PromptToAnswer[] {
  const seen = new Set<string>()
  const found: { readonly pair: number; readonly isNear: boolean }[] = []
  let pair = 0
  for (const { promptIds } of heldOut) {
    const key = promptIds.join()
    if (config.maxPositions - promptIds.length >= FEWEST_ANSWER_TOKENS && !seen.has(key)) {
      found.push({ pair, isNear: isNearDuplicate[pair] ?? false })
    }
    seen.add(key)
    pair += 1
  }
  const fresh = found.filter(({ isNear }) => !isNear)
  const from = fresh.length > 0 ? fresh : found
  const count = Math.min(ANSWERED_PROMPTS, from.length)
  return Array.from({ length: count }, (_, index) => {
    const at = from[Math.floor((index * from.length) / count)]!.pair
    return { pair: at, promptIds: heldOut.at(at)!.promptIds }
  })
}

interface VoicedRequest extends GenerationRequest {
  readonly prompt: number
}

async function answersOf(
  compared: Compared,
  prompts: readonly PromptToAnswer[],
  scripts: readonly Script[],
): Promise<Omit<Behaviour, "probes">> {
  if (prompts.length === 0)
    return {
      answers: [],
      answersFault: `no held-out prompt leaves room for ${FEWEST_ANSWER_TOKENS} tokens of an answer`,
    }
  try {
    const [ofPolicy, ofBase] = await bothAnswers(compared, prompts)
    const answers = prompts.map(({ pair }, index) => ({
      ...{ pair, script: scripts[pair]! },
      ...{ policy: ofPolicy[index]!, base: ofBase[index]! },
    }))
    return { answers }
  } catch (error) {
    if (error instanceof BrokenLogits || error instanceof GenerationTooLarge)
      return { answers: [], answersFault: error.message.slice(0, 1000) }
    throw error
  }
}

/** The policy's answers and the base's: in one batch where the policy is an adapter, else one model after the other. */
async function bothAnswers(
  compared: Compared,
  prompts: readonly PromptToAnswer[],
): Promise<readonly [policy: readonly Answer[], base: readonly Answer[]]> {
  const { policy, base } = compared
  const ofBefore = memoryOf<readonly Answer[]>(compared.gpu, base, requestsOf(base.model, prompts))
  const speaksAlone = policy.adapter === undefined || ofBefore.known !== undefined
  const speakers = speaksAlone ? [policy.adapter] : [policy.adapter, undefined]
  const [ofPolicy, beside] = await answer(compared, policy, prompts, speakers)
  const ofBase = ofBefore.known ?? beside ?? (await answer(compared, base, prompts, [undefined]))[0]!
  ofBefore.keep(ofBase)
  return [ofPolicy!, ofBase]
}

/** What is asked of a model, whoever speaks: greedy answers, to its own ends. */
function requestsOf({ tokenisation, config }: ModelFolder, prompts: readonly PromptToAnswer[]) {
  const endIds = [...new Set([...tokenisation.endTokenIds, ...config.eosTokenIds])]
  const asked = prompts.map(({ promptIds }) => ({
    promptIds: [...promptIds],
    maxTokens: Math.min(ANSWER_TOKENS, config.maxPositions - promptIds.length),
  }))
  return { endIds, asked }
}

/** Greedy answers of each speaker, an adapter or the model itself, in the order of the prompts. */
async function answer(
  { gpu, signal, onAnswered }: Compared,
  { model, baseWeights }: Omit<ScoringModel, "adapter">,
  prompts: readonly PromptToAnswer[],
  speakers: readonly (Adapter | undefined)[],
): Promise<readonly (readonly Answer[])[]> {
  const voices = speakers.filter((adapter) => adapter !== undefined)
  const { endIds, asked } = requestsOf(model, prompts)
  const ends = new Set(endIds)
  const requests = speakers.flatMap((adapter, speaker) =>
    asked.map(({ promptIds, maxTokens }, prompt): VoicedRequest & { readonly speaker: number } => ({
      ...{ speaker, prompt, promptIds: Uint32Array.from(promptIds), endIds: ends, seed: 0, label: "", maxTokens },
      voice: adapter === undefined ? undefined : voices.indexOf(adapter),
      sampling: { temperature: 0 },
    })),
  )
  const generator = openGenerator(gpu, {
    ...{ source: model, baseWeights, voices },
    sequences: requests.map(({ promptIds, maxTokens }) => ({ promptTokens: promptIds.length, maxTokens })),
    batch: 2 * ANSWERED_PROMPTS,
  })
  const said = speakers.map(() => new Array<Answer>(prompts.length))
  let [done, tokens] = [0, 0]
  try {
    for await (const { request, generated } of generator.generate(requests, { signal })) {
      const text = responseText(model.tokenisation, request.promptIds, []).textOf(generated.ids)
      said[request.speaker]![request.prompt] = {
        ...{ ids: [...generated.ids], text },
        isWhole: generated.finishReason === "stop",
      }
      done += 1
      tokens += generated.ids.length
      onAnswered?.(done, requests.length, tokens)
    }
  } finally {
    generator.close()
  }
  return said
}

/** All probes in one pass of each model. */
async function scoreProbes(compared: Compared, probes: readonly Probe[]): Promise<ProbeScores[]> {
  const { policy, base } = compared
  const rowsOf = probes.map(({ pairs }) => pairs.flatMap((pair, index) => probeRow(policy.model, pair, `${index}`)))
  const rows = rowsOf.flat()
  const asked = rows.map(({ promptIds, chosenIds, rejectedIds }) =>
    [promptIds, chosenIds, rejectedIds].map((ids) => [...ids]),
  )
  const ofBefore = memoryOf<ProbeScores["base"]>(compared.gpu, base, asked)
  const ofPolicy = await scoresOf(compared, policy, rows)
  const ofBase = ofBefore.known ?? (await scoresOf(compared, base, rows))
  ofBefore.keep(ofBase)
  let from = 0
  return probes.map(({ name }, probe) => {
    const [start, end] = [from, from + rowsOf[probe]!.length]
    from = end
    return { name, policy: ofPolicy.slice(start, end), base: ofBase.slice(start, end) }
  })
}

/** As the model is spoken to: through its template, where it has one. None where its tokenizer cannot tell the responses apart, or they are too long. */
function probeRow({ tokenisation, config }: ModelFolder, pair: ProbePair, id: string): TokenRow[] {
  const { prompt, chosen, rejected } = pair
  const assistant = (content: string) => [{ role: "assistant", content }]
  const text =
    tokenisation.chatTemplate === undefined
      ? { prompt, chosen, rejected }
      : { prompt: [{ role: "user", content: prompt }], chosen: assistant(chosen), rejected: assistant(rejected) }
  const tokenised = tokenisation.tokenisePair(text, { maxLength: config.maxPositions })
  if (tokenised._tag === "Dropped") return []
  const { promptIds, chosenIds, rejectedIds } = tokenised
  return [{ id, weight: 1, promptIds, chosenIds, rejectedIds }]
}

async function scoresOf(
  { gpu, signal }: Compared,
  model: ScoringModel,
  rows: readonly TokenRow[],
): Promise<ProbeScores["policy"]> {
  if (rows.length === 0) return []
  const scored: ScoredPair[] = []
  for await (const { scores } of scoreGroups(gpu, model, rows, signal)) scored.push(...scores.map(scoredPair))
  const told = ({ sum, count }: ScoredPair["chosen"]) => ({ sum: Number.isFinite(sum) ? sum : null, count })
  return scored.map(({ chosen, rejected }) => ({ chosen: told(chosen), rejected: told(rejected) }))
}
