// Reads the demo's committed files, and what a labeller saw and said out of each carrier's own shape.
import { readFileSync } from "node:fs"
import { Tokenizer } from "@huggingface/tokenizers"
import type { JsonObject, TrafficEvent } from "#infra/demo/recipe/carriers.ts"
import { repositoryPath } from "#infra/demo/recipe/outputs.ts"
import type { TruthRow } from "#infra/demo/recipe/preferences.ts"

export const committedText = (path: string): string => readFileSync(repositoryPath(`infra/demo/${path}`), "utf8")

const committedLines = <A>(path: string): A[] =>
  committedText(path)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as A)

export const committedTraffic = (): TrafficEvent[] => committedLines("data/traffic.jsonl")
export const committedTruth = (): TruthRow[] => committedLines("data/truth.jsonl")

export const committedTokenizer = (): Tokenizer =>
  new Tokenizer(
    JSON.parse(committedText("model/tokenizer.json")) as object,
    JSON.parse(committedText("model/tokenizer_config.json")) as object,
  )

export const contentIds = (tokenizer: Tokenizer, text: string): number[] =>
  tokenizer.encode(text, { add_special_tokens: false }).ids

/** One delivery as a person would describe it; `chosen` is undefined for a tie or an unfinished one. */
export interface Shown {
  readonly externalId: string
  readonly prompt: string
  readonly responses: readonly [string, string]
  readonly setting: string
  readonly annotator: string | number
  readonly chosen: 0 | 1 | undefined
}

export function readDelivery({ carrier, body }: TrafficEvent): Shown {
  if (carrier === "argilla") return readArgilla(body)
  return carrier === "native" ? readNative(body) : readLabelStudio(body)
}

function readArgilla(body: JsonObject): Shown {
  const data = body.data as {
    values: { preference: { value: { value: string; rank: number }[] } }
    record: { external_id: string; metadata: { setting: string }; fields: Record<string, string> }
    user: { username: string }
  }
  const { fields, external_id: externalId, metadata } = data.record
  const rankOf = (name: string): number => data.values.preference.value.find(({ value }) => value === name)!.rank
  const [a, b] = [rankOf("response_a"), rankOf("response_b")]
  return {
    externalId,
    prompt: fields.prompt!,
    responses: [fields.response_a!, fields.response_b!],
    setting: metadata.setting,
    annotator: data.user.username,
    chosen: a === b ? undefined : a < b ? 0 : 1,
  }
}

function readLabelStudio(body: JsonObject): Shown {
  const annotation = body.annotation as { completed_by: number; result: { value: { selected: string } }[] }
  const { data } = body.task as { data: Record<string, string> }
  const selected = annotation.result[0]?.value.selected
  return {
    externalId: data.row!,
    prompt: data.prompt!,
    responses: [data.answer1!, data.answer2!],
    setting: data.setting!,
    annotator: annotation.completed_by,
    chosen: selected === undefined ? undefined : selected === "left" ? 0 : 1,
  }
}

function readNative(body: JsonObject): Shown {
  const { externalId, prompt, candidates, judgement, task, annotator } = body as unknown as {
    externalId: string
    prompt: { content: string }[]
    candidates: { id: string; response: { content: string }[] }[]
    judgement: { winner?: string }
    task: string
    annotator: string
  }
  const chosen = candidates.findIndex(({ id }) => id === judgement.winner)
  return {
    externalId,
    prompt: prompt[0]!.content,
    responses: [candidates[0]!.response[0]!.content, candidates[1]!.response[0]!.content],
    setting: task,
    annotator,
    chosen: chosen === 0 || chosen === 1 ? chosen : undefined,
  }
}
