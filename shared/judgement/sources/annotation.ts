// What a labelling tool's reader gives for one annotation, whichever way it came in, and what a row of a file makes of it.
import type { WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import type { Judged } from "../derive-pairs.ts"
import { statedPairs } from "./ranked-pairs.ts"
import { type DropReason, droppedBy, InvalidPreferenceRow, type Statement } from "./record.ts"
import { type Retraction, saidBefore } from "./retraction.ts"
import { refuseBrokenStatement } from "./well-formed.ts"

/** Which fields and controls of a form hold what: the same for a webhook as for a file. */
export type FormOptions = WebhookMapping

/** What one person said about the responses of one record. */
export interface AnnotatedComparison extends Judged {
  /** The tool's own name for it; undefined: a file leaves it out. */
  readonly externalId?: string | undefined
  readonly annotator?: string | undefined
  readonly task?: string | undefined
  readonly labelledAt?: string | undefined
}

/** Where in the tool an annotation stands, by the tool's ids: when a task or project is deleted, so is what stands in it. */
export interface Place {
  readonly task?: string | undefined
  readonly project?: string | undefined
}

export type Reading =
  | { readonly kind: "comparison"; readonly comparison: AnnotatedComparison; readonly place?: Place }
  | {
      readonly kind: "retraction"
      readonly retraction: Retraction
      readonly reason: DropReason
      readonly detail: string
    }
  /** Not a judgement, or not yet. */
  | { readonly kind: "ignored"; readonly reason: DropReason; readonly detail: string }
  /**
   * It cannot be used; where `reason` is set, it is understood but states nothing. Either way it is what the annotation says from then on:
   * `replaced` is what it said before.
   */
  | {
      readonly kind: "refusal"
      readonly refusal: InvalidPreferenceRow
      readonly replaced?: Retraction
    }

/** A delivery that is another tool's, or nobody's. */
export const noEventOf = (tool: string, field: string): InvalidPreferenceRow =>
  new InvalidPreferenceRow(field, `must be text: this is no event of ${tool}; check which endpoint its sender has`)

export const ignored = (reason: DropReason, detail: string): Reading => ({ kind: "ignored", reason, detail })

export const refused = (field: string, message: string): Reading => {
  return { kind: "refusal", refusal: new InvalidPreferenceRow(field, message) }
}

/** What can be submitted again later. */
export const takenBack = (externalId: string, at: string | undefined, reason: DropReason, detail: string): Reading => {
  return { kind: "retraction", retraction: { scope: "annotation", externalId, at }, reason, detail }
}

export const deleted = (scope: Retraction["scope"], externalId: string, detail: string): Reading => {
  return { kind: "retraction", retraction: { scope, externalId, at: "for-good" }, reason: "deleted", detail }
}

/** A reading whose faults are part of it, so that one annotation of several does not hide the others. */
export function reading(read: () => Reading): Reading {
  try {
    return read()
  } catch (error) {
    if (error instanceof InvalidPreferenceRow) return { kind: "refusal", refusal: error }
    throw error
  }
}

/** How an annotation stands: where it states nothing that can be used, what it said before is over. */
export function asItStands(read: Reading, externalId: string | undefined, at: string | undefined): Reading {
  if (externalId === undefined) return read
  if (read.kind === "ignored") return takenBack(externalId, at, read.reason, read.detail)
  return read.kind === "refusal" ? { ...read, replaced: saidBefore(externalId, at) } : read
}

/** The rows of a file: pairs, what states none by its reason, and what cannot be used. Each reading gives what it gives alone. */
export function rowsOf(readings: readonly Reading[]): Statement {
  const statements = readings.map(usableOf)
  return {
    faults: statements.flatMap(({ faults }) => faults ?? []),
    comparisons: statements.flatMap(({ comparisons }) => comparisons ?? []),
    pairs: statements.flatMap(({ pairs }) => pairs ?? []),
    responses: statements.flatMap(({ responses }) => responses ?? []),
    dropped: statements.flatMap(({ dropped }) => dropped ?? []),
    over: [...readings.flatMap(overBy), ...statements.flatMap(({ over }) => over ?? [])],
  }
}

/** The rows of a delivery, which is taken wholly or not at all; what it takes back by being refused, it takes back. */
export function rowsOfEvent(readings: readonly Reading[]): Statement {
  const stated = rowsOf(readings)
  const isRefused = ({ reason }: InvalidPreferenceRow) => reason === undefined || readings.length > 1
  const refusals = readings.flatMap((read) =>
    read.kind === "refusal" && isRefused(read.refusal) ? [read.refusal] : [],
  )
  const faults = [...(stated.faults ?? []), ...refusals.filter(({ reason }) => reason !== undefined)]
  return faults.length === 0 ? stated : { faults, over: stated.over ?? [] }
}

/** What a reading states; where that cannot be used, its fault, and that what it said before is over. */
function usableOf(read: Reading): Statement {
  try {
    const stated = statementOf(read)
    refuseBrokenStatement(stated)
    return stated
  } catch (error) {
    if (!(error instanceof InvalidPreferenceRow)) throw error
    const { externalId, labelledAt } = read.kind === "comparison" ? read.comparison : {}
    return { faults: [error], over: externalId === undefined ? [] : [saidBefore(externalId, labelledAt)] }
  }
}

function overBy(read: Reading): readonly Retraction[] {
  if (read.kind === "retraction") return read.retraction.scope === "annotation" ? [read.retraction] : []
  return read.kind === "refusal" && read.replaced !== undefined ? [read.replaced] : []
}

function statementOf(read: Reading): Statement {
  if (read.kind === "comparison") {
    const { externalId, annotator, task, labelledAt } = read.comparison
    return statedPairs(externalId, read.comparison, { annotator, task, labelledAt })
  }
  if (read.kind === "refusal") return droppedBy(read.refusal)
  const { reason, detail } = read
  return { dropped: [{ reason, detail }] }
}
