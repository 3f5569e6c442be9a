// What a labelling tool's reader gives for one annotation, whichever way it came in, and what a row of a file makes of it.
import type { WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import type { Judged } from "../derive-pairs.ts"
import { statedPairs } from "./ranked-pairs.ts"
import { type DropReason, droppedBy, InvalidPreferenceRow, type Statement } from "./record.ts"

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

/** What was taken back in the tool: so is what was read of it before. */
export interface Retraction {
  /** `externalId` is the id of an annotation, of a task (record) or of a project (dataset). */
  readonly scope: "annotation" | "task" | "project"
  readonly externalId: string
  /** When, by the tool's clock; `for-good`: it is deleted, and its id is not used again; undefined: the tool does not say. */
  readonly at: string | "for-good" | undefined
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
  /** It cannot be used; where `reason` is set, it is understood but states nothing. */
  | { readonly kind: "refusal"; readonly refusal: InvalidPreferenceRow }

export const ignored = (reason: DropReason, detail: string): Reading => ({ kind: "ignored", reason, detail })

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

/** The rows of a file: pairs, and what states none by its reason. Throws the first refusal that has no reason. */
export function rowsOf(readings: readonly Reading[]): Statement {
  const statements = readings.map(statementOf)
  return {
    comparisons: statements.flatMap(({ comparisons }) => comparisons ?? []),
    pairs: statements.flatMap(({ pairs }) => pairs ?? []),
    dropped: statements.flatMap(({ dropped }) => dropped ?? []),
  }
}

function statementOf(read: Reading): Statement {
  if (read.kind === "comparison") return statedPairs(read.comparison.externalId, read.comparison)
  if (read.kind === "refusal") return droppedBy(read.refusal)
  const { reason, detail } = read
  return { dropped: [{ reason, detail }] }
}
