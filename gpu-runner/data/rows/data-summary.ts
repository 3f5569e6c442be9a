// What a data set looks like as a whole: lengths, prompts, contradictions, whether length alone tells the chosen response, labels.
import { essence } from "#shared/judgement/essence.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import type { CheckedData } from "./checked-data.ts"
import { foldedPrompt } from "./folded-prompt.ts"

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export interface DataSummary {
  /** Rows that were left out, by reason. */
  readonly dropped: Readonly<Record<string, number>>
  /** Different prompts of pairs. */
  readonly prompts: number
  /** Tokens where a model is given, else characters; undefined without pairs. */
  readonly lengths:
    | {
        readonly unit: "tokens" | "characters"
        readonly prompt: Spread
        readonly chosen: Spread
        readonly rejected: Spread
      }
    | undefined
  readonly duplicates: number
  /** Pairs whose reverse is stated as well. */
  readonly contradictions: number
  /** Share of the pairs of different length in which the chosen response is the longer one; a half says nothing. */
  readonly chosenIsLonger: number | undefined
  readonly labels: { readonly wanted: number; readonly unwanted: number }
}

export function summaryOf(data: CheckedData): DataSummary {
  const dropped: Record<string, number> = {}
  for (const { reason } of data.dropped) dropped[reason] = (dropped[reason] ?? 0) + 1
  const prompts = new Set(data.pairs.map(({ prompt }) => foldedPrompt(prompt)))
  const wanted = data.labelled.filter(({ label }) => label).length
  return {
    dropped,
    prompts: prompts.size,
    lengths: lengthsOf(data),
    duplicates: dropped.duplicate ?? 0,
    contradictions: contradictionsIn(data),
    chosenIsLonger: longerShare(data),
    labels: { wanted, unwanted: data.labelled.length - wanted },
  }
}

const characters = (text: Text): number =>
  typeof text === "string" ? text.length : text.reduce((sum, { content }) => sum + content.length, 0)

type Part = "prompt" | "chosen" | "rejected"

const lengthOf = (pair: CheckedData["pairs"][number], part: Part): number =>
  pair.tokens === undefined ? characters(pair[part]) : pair.tokens[part].length

function lengthsOf({ pairs }: CheckedData): DataSummary["lengths"] {
  if (pairs.length === 0) return undefined
  const spread = (part: Part): Spread => {
    const lengths = pairs.map((pair) => lengthOf(pair, part)).sort((a, b) => a - b)
    return { min: lengths[0]!, median: lengths[lengths.length >> 1]!, max: lengths.at(-1)! }
  }
  const unit = pairs[0]!.tokens === undefined ? "characters" : "tokens"
  return { unit, prompt: spread("prompt"), chosen: spread("chosen"), rejected: spread("rejected") }
}

function contradictionsIn({ pairs }: CheckedData): number {
  const texts = pairs.map(({ prompt, chosen, rejected }) => [foldedPrompt(prompt), essence(chosen), essence(rejected)])
  const said = new Set(texts.map(([prompt, chosen, rejected]) => JSON.stringify([prompt, chosen, rejected])))
  return texts.filter(([prompt, chosen, rejected]) => said.has(JSON.stringify([prompt, rejected, chosen]))).length
}

function longerShare({ pairs }: CheckedData): number | undefined {
  const gaps = pairs.map((pair) => lengthOf(pair, "chosen") - lengthOf(pair, "rejected")).filter((gap) => gap !== 0)
  return gaps.length === 0 ? undefined : gaps.filter((gap) => gap > 0).length / gaps.length
}
