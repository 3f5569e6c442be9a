// What `yohaku data check` prints on a terminal: the first rows with visible boundaries, what is left out, and the whole in numbers.

import type { CheckedData } from "#gpu-runner/data/rows/checked-data.ts"
import type { DataSummary, Spread } from "#gpu-runner/data/rows/data-summary.ts"
import { BAD_ROW } from "#gpu-runner/data/rows/preference-file.ts"
import { percent } from "#gpu-runner/trainer/quantities.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import type { HeldOutCheck } from "./held-out-check.ts"

const SHOWN_ROWS = 5
const SHOWN_DROPPED = 20
const SHOWN_CHARACTERS = 400

/** Of token ids, with special tokens. */
export type Decode = (ids: readonly number[]) => string

export interface CheckSummary extends DataSummary {
  readonly heldOut?: HeldOutCheck
}

/** Lines for stdout. With `decode` the rows are shown as their tokens say them: BOS, turns and ends are seen. */
export function describeData(data: CheckedData, summary: CheckSummary, decode: Decode | undefined): string {
  const { pairs, labelled, responses } = data
  return [
    ...pairs
      .slice(0, SHOWN_ROWS)
      .flatMap((pair) => [
        `row ${pair.row}${pair.weight === undefined ? "" : `, weight ${pair.weight.toFixed(3)}`}`,
        ...part("prompt", pair.prompt, pair.tokens?.prompt, decode),
        ...part("chosen", pair.chosen, pair.tokens?.chosen, decode),
        ...part("rejected", pair.rejected, pair.tokens?.rejected, decode),
      ]),
    ...[...labelled, ...responses]
      .slice(0, SHOWN_ROWS)
      .flatMap((response) => [
        `row ${response.row}${"label" in response ? (response.label ? ", wanted" : ", unwanted") : ", one response"}`,
        ...part("prompt", response.prompt, response.tokens?.prompt, decode),
        ...part("answer", response.completion, response.tokens?.completion, decode),
      ]),
    "",
    ...droppedLines(data),
    ...takenBackLines(data),
    ...leakLines(summary),
    ...summaryLines(data, summary),
  ].join("\n")
}

/** A bar on both sides shows where a text begins and ends. */
function part(name: string, text: Text, ids: readonly number[] | undefined, decode: Decode | undefined): string[] {
  const label = `  ${name.padEnd(8)} `
  if (ids !== undefined && decode !== undefined) return [`${label}▏${visible(decode(ids))}▏ ${ids.length} tokens`]
  if (typeof text === "string") return [`${label}▏${visible(text)}▏`]
  return text.map(({ role, content, tool_calls: calls }, index) => {
    const call = calls === undefined ? "" : ` ${visible(JSON.stringify(calls))}`
    return `${index === 0 ? label : " ".repeat(label.length)}${role}: ▏${visible(content)}▏${call}`
  })
}

/** Line ends and controls as signs, so that a row is a line; the middle of a long text is left out. */
export function visible(text: string): string {
  const half = SHOWN_CHARACTERS / 2
  const short = text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, half)} … ${text.slice(-half)}`
  return short
    .toWellFormed()
    .replaceAll("\n", "↵")
    .replaceAll("\t", "⇥")
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`)
}

/** Bad rows first, each fault once; rows that are sound and state no preference follow one by one. */
function droppedLines({ dropped }: CheckedData): string[] {
  const bad = Map.groupBy(
    dropped.filter(({ reason }) => reason === BAD_ROW),
    ({ detail }) => detail,
  )
  const others = dropped.filter(({ reason }) => reason !== BAD_ROW).map((row) => [row])
  const shown = [...bad.values(), ...others].slice(0, SHOWN_DROPPED)
  const lines = shown.map(([first, ...alike]) => {
    const { row, reason, detail } = first!
    const more = alike.length === 0 ? "" : ` (and ${alike.length} more such)`
    return `row ${row}: dropped (${reason})${detail === "" ? "" : `: ${visible(detail)}`}${more}`
  })
  const more = dropped.length - shown.flat().length
  return [...lines, ...(more > 0 ? [`and ${more} more`] : []), ...(dropped.length > 0 ? [""] : [])]
}

function takenBackLines({ takenBack = [] }: CheckedData): string[] {
  const lines = takenBack.slice(0, SHOWN_DROPPED).map(({ row, scope, externalId, rows }) => {
    const what = rows.length === 0 ? "nothing of this file" : `row ${rows.join(", ")}`
    return `row ${row}: takes back ${scope} ${visible(externalId)}: ${what}`
  })
  const more = takenBack.length - lines.length
  return [...lines, ...(more > 0 ? [`and ${more} more`] : []), ...(lines.length > 0 ? [""] : [])]
}

function leakLines({ heldOut }: CheckSummary): string[] {
  const leaks = heldOut?.leaks ?? []
  const lines = leaks.slice(0, SHOWN_DROPPED).map(({ row, trainRow, prompt }) => {
    return `held-out row ${row}: ${prompt === "same" ? "has" : "nearly repeats"} the prompt of row ${trainRow}`
  })
  const more = leaks.length - lines.length
  return [...lines, ...(more > 0 ? [`and ${more} more`] : []), ...(lines.length > 0 ? [""] : [])]
}

function heldOutText({ pairs, sharedPrompts, nearPrompts }: HeldOutCheck): string {
  const near = nearPrompts === undefined ? "near ones are found with --model" : `${nearPrompts} with one that nearly is`
  return `${pairs} pairs, ${sharedPrompts} with a prompt that is trained on too, ${near}`
}

function summaryLines(data: CheckedData, summary: CheckSummary): string[] {
  const { rows, pairs, labelled, responses, ignoredColumns, refusal } = data
  const { dropped, prompts, lengths, contradictions, chosenIsLonger, labels, heldOut } = summary
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`)
  const spread = ({ min, median, max }: Spread) => `${min} to ${max}, median ${median}`
  const line = (name: string, text: string) => `${name.padEnd(15)} ${text}`
  return [
    line(
      "rows",
      `${rows}: ${pairs.length} pairs of ${prompts} prompts, ${labelled.length} labelled, ${responses.length} responses`,
    ),
    ...(reasons.length > 0 ? [line("left out", reasons.join(", "))] : []),
    ...(ignoredColumns.length > 0 ? [line("not read", ignoredColumns.join(", "))] : []),
    ...(lengths === undefined
      ? []
      : (["prompt", "chosen", "rejected"] as const).map((name) =>
          line(name, `${spread(lengths[name])} ${lengths.unit}`),
        )),
    ...(chosenIsLonger === undefined
      ? []
      : [line("length bias", `the chosen response is the longer one in ${percent(chosenIsLonger)}`)]),
    ...(contradictions > 0 ? [line("contradictions", `${contradictions} pairs are stated both ways`)] : []),
    ...(labelled.length > 0 ? [line("labels", `${labels.wanted} wanted, ${labels.unwanted} unwanted`)] : []),
    ...(heldOut === undefined ? [] : [line("held out", heldOutText(heldOut))]),
    ...(refusal === undefined ? [] : [line("training", `would end: ${refusal}`)]),
  ]
}
