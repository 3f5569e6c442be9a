// What a data source would teach, row by row, before anything is trained on it: the pairs, labelled completions and responses that
// training would take, what it would leave out and why, and with a model the very texts and tokens.
import { weightOfStrength } from "#shared/judgement/derive-pairs.ts"
import { type PreferenceRow, responseFault, type UnpairedRow } from "#shared/judgement/preference-rows.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import type { ResponseText, Tokenisation, TokenisationPolicy } from "#shared/tokenisation/tokenisation.ts"
import { type DataReadingOptions, PreferenceFile } from "./preference-file.ts"
import { renderedPair, renderedResponse } from "./rendered-texts.ts"
import { RowContents } from "./row-names.ts"
import type { StatedRecord } from "./stated-record.ts"
import type { DeliverySource, TakenBack } from "./stored-deliveries.ts"

export interface CheckedPair {
  /** Counted from 1. */
  readonly row: number
  readonly prompt: Text
  readonly chosen: Text
  readonly rejected: Text
  readonly tools?: readonly unknown[] | undefined
  /** Strength / 3, where the data has one; training reads it with strengthAsWeight. */
  readonly weight?: number
  readonly tokens?: {
    readonly prompt: readonly number[]
    readonly chosen: readonly number[]
    readonly rejected: readonly number[]
  }
  /** The texts that were tokenised, after the template. */
  readonly rendered?: { readonly prompt: string; readonly chosen: string; readonly rejected: string }
}

export interface CheckedResponse {
  readonly row: number
  readonly prompt: Text
  readonly completion: Text
  readonly tools?: readonly unknown[] | undefined
  readonly tokens?: { readonly prompt: readonly number[]; readonly completion: readonly number[] }
  readonly rendered?: { readonly prompt: string; readonly completion: string }
}

export interface CheckedData {
  readonly rows: number
  readonly pairs: readonly CheckedPair[]
  readonly labelled: readonly (CheckedResponse & { readonly label: boolean })[]
  /** Prompts with one response and no judgement, which method sft takes. */
  readonly responses: readonly CheckedResponse[]
  readonly dropped: readonly { readonly row: number; readonly reason: string; readonly detail: string }[]
  readonly ignoredColumns: readonly string[]
  /** Of deliveries: what each of them takes back. */
  readonly takenBack?: readonly TakenBack[]
  /** Why training would end, where it would; undefined where it would not. */
  readonly refusal: string | undefined
}

export interface CheckOptions extends DataReadingOptions {
  /** The file holds deliveries of this tool's webhook. */
  readonly deliveriesOf?: DeliverySource | undefined
  /** Tokenises every row. */
  readonly model?: { readonly tokenisation: Tokenisation; readonly policy: TokenisationPolicy } | undefined
}

/** Reads the source. Errors: InvalidDataFile for what is no data file at all; InvalidTokenizer. */
export async function checkData(source: string, options: CheckOptions): Promise<CheckedData> {
  const file = new PreferenceFile(source, options)
  const found = new Findings(options)
  const { deliveriesOf } = options
  const records = deliveriesOf === undefined ? file.records(true) : file.deliveries(deliveriesOf)
  for await (const record of records) {
    found.add(record)
  }
  if (deliveriesOf === undefined) file.checkKind()
  for (const { row, reason, detail = "" } of file.badRows) found.dropped.push({ row, reason, detail })
  const { takenBack = [] } = file
  return {
    rows: file.rowCount,
    pairs: found.pairs,
    labelled: found.labelled,
    responses: found.responses,
    dropped: found.dropped.sort((a, b) => a.row - b.row),
    ignoredColumns: [...file.unread],
    ...(deliveriesOf === undefined && takenBack.length === 0 ? {} : { takenBack }),
    refusal: file.excess() ?? (file.rowCount === 0 ? "the source holds no rows" : undefined),
  }
}

class Findings {
  readonly pairs: CheckedPair[] = []
  readonly labelled: (CheckedResponse & { label: boolean })[] = []
  readonly responses: CheckedResponse[] = []
  readonly dropped: { row: number; reason: string; detail: string }[] = []
  readonly #contents = new RowContents()
  readonly #options: CheckOptions

  constructor(options: CheckOptions) {
    this.#options = options
  }

  add({ stated, ...place }: StatedRecord): void {
    const { row } = place
    const isNew = (content: unknown): boolean => {
      const twin = this.#contents.claim(place, content)
      if (twin !== undefined) this.dropped.push({ row, reason: "duplicate", detail: twin })
      return twin === undefined
    }
    if ("supervised" in stated) {
      const { prompt, response } = stated.supervised.text
      const fault = responseFault(response, "response", prompt)
      if (fault !== undefined) this.#drop(row, fault)
      else if (isNew(stated.supervised.text)) this.#addResponse(row, stated.supervised.text, this.responses)
      return
    }
    for (const part of stated.dropped) this.#drop(row, part)
    for (const pair of stated.pairs) {
      const { id: _, strength: __, ...content } = pair
      if (isNew(content)) this.#addPair(row, pair)
    }
    for (const response of stated.unpaired) {
      const { id: _, ...content } = response
      if (isNew(content)) this.#addLabelled(row, response)
    }
  }

  #drop(
    row: number,
    { field, reason, detail }: { reason: string; field?: string | undefined; detail?: string | undefined },
  ) {
    this.dropped.push({ row, reason, detail: [field, detail].filter((part) => part !== undefined).join(" ") })
  }

  #addPair(row: number, { id: _, strength, ...text }: PreferenceRow): void {
    const weighed = strength === undefined ? {} : { weight: weightOfStrength(strength) }
    const { model } = this.#options
    const rendered = model === undefined ? undefined : renderedPair(model.tokenisation, text, model.policy)
    if (rendered !== undefined && "reason" in rendered) this.#drop(row, rendered)
    else this.pairs.push({ row, ...text, ...weighed, ...rendered })
  }

  #addLabelled(row: number, { id: _, label, completion, ...rest }: UnpairedRow): void {
    const added: CheckedResponse[] = []
    this.#addResponse(row, { ...rest, response: completion } as ResponseText, added)
    this.labelled.push(...added.map((response) => ({ ...response, label })))
  }

  #addResponse(row: number, text: ResponseText, to: CheckedResponse[]): void {
    const { response: completion, ...rest } = text
    const { model } = this.#options
    const rendered = model === undefined ? undefined : renderedResponse(model.tokenisation, text, model.policy)
    if (rendered !== undefined && "reason" in rendered) this.#drop(row, rendered)
    else to.push({ row, ...(rest as { prompt: Text }), completion, ...rendered })
  }
}
