// A record of a file as the comparisons that the service takes: what one person said at once is sent at once, under the record's own
// name, so that what they say later takes its place wholly.

import { BOUNDS } from "#shared/domain/bounds.ts"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { type Comparison, type Judgement, PLAIN_ROLES, type Text } from "./Comparison.ts"
import { findComparisonFault, findDateFault } from "./comparison-faults.ts"
import { derivePairs, type Judged, type JudgedCandidate } from "./derive-pairs.ts"
import { essence, isBlank } from "./essence.ts"
import { otherTurn } from "./one-answer.ts"
import {
  InvalidPreferenceRow,
  type PreferenceRecord,
  type PreferenceRow,
  parsePreferenceRecord,
  severalPairs,
  type UnpairedRow,
} from "./preference-rows.ts"
import type { StatedComparison } from "./sources/record.ts"
import { type Retraction, saidBefore } from "./sources/retraction.ts"
import { utc } from "./time-of.ts"

/** A comparison to send, or why the service cannot take what a record states, with the mend. */
export type Sendable =
  | {
      readonly comparison: Comparison
      /** Pairs that the service leaves out, since a judgement gives it at most MAX_PAIRS_PER_COMPARISON. */
      readonly omittedPairs: number
    }
  | { readonly fault: string }
  | TakenBack

/** Nothing is stated under a name any more. `at`: until when what it said before is over (ISO 8601); undefined: until now. */
export interface TakenBack {
  readonly externalId: string
  readonly at?: string
}

/** What was judged as one pair: a choice between two, of a strength where one was given. */
export const comparisonOfRow = ({ id, strength, ...text }: PreferenceRow): Comparison => ({
  externalId: id,
  prompt: text.prompt as Comparison["prompt"],
  candidates: [
    { id: "chosen", response: text.chosen as Comparison["prompt"] },
    { id: "rejected", response: text.rejected as Comparison["prompt"] },
  ],
  judgement: strength === undefined ? { kind: "choice", winner: "chosen" } : { kind: "strength", value: -strength },
})

/** What was judged by itself. */
export const comparisonOfVerdict = ({ id, label, prompt, completion }: UnpairedRow): Comparison => ({
  externalId: id,
  prompt: prompt as Comparison["prompt"],
  candidates: [{ id: "response", response: completion as Comparison["prompt"] }],
  judgement: { kind: "verdict", value: label ? "desirable" : "undesirable" },
})

/**
 * In the record's order. A tie is sent where its record has a name: it takes the place of a preference that was said before. Ids of
 * judgements without one are of their content.
 */
export async function sendableComparisons(record: PreferenceRecord): Promise<readonly Sendable[]> {
  const { comparisons, pairs, unpaired, over = [] } = record
  const sendable: Sendable[] = over.flatMap(takenBack)
  if (comparisons === undefined)
    return [
      ...sendable,
      ...pairs.map((row) => checked(comparisonOfRow(row), "tools" in row)),
      ...unpaired.map((row) => checked(comparisonOfVerdict(row), "tools" in row)),
    ]
  const [onlyRow, ...others] = [...pairs, ...unpaired]
  const isOneRow = comparisons.length === 1 && others.length === 0
  for (const stated of comparisons) {
    const comparison = await comparisonOf(stated, isOneRow ? onlyRow : undefined)
    if (comparison !== undefined) sendable.push(checked(comparison, false))
    else if (stated.id !== undefined) sendable.push(...takenBack(saidBefore(stated.id, stated.labelledAt)))
  }
  return sendable
}

/** What one line of an upload states. */
export interface SentRow {
  /** What is said, or why nothing is. */
  readonly said: Comparison | InvalidPreferenceRow
  /** Names of which it states nothing any more. */
  readonly over: readonly TakenBack[]
}

/**
 * A line that states one judgement, as it would be sent out of a file; unlike there, a field that nobody reads is refused. Rejects with
 * InvalidPreferenceRow where the line cannot be understood.
 */
export async function sentByRow(line: string | Uint8Array): Promise<SentRow> {
  const record = await parsePreferenceRecord(line, { strict: true }, 1)
  const sendables = await sendableComparisons(record)
  const over = sendables.flatMap((one) => ("externalId" in one ? [one] : []))
  const [said, ...others] = sendables.flatMap((one) => ("comparison" in one ? [one.comparison] : []))
  const [unsendable] = sendables.flatMap((one) => ("fault" in one ? [new InvalidPreferenceRow("", one.fault)] : []))
  const refusal = record.faults?.[0] ?? unsendable ?? (others.length > 0 ? severalPairs(others.length + 1) : undefined)
  return { said: refusal ?? said ?? nothingStated(record), over }
}

function nothingStated({ dropped: [part] }: PreferenceRecord): InvalidPreferenceRow {
  const { field = "", detail = "states no judgement", reason } = part ?? {}
  return new InvalidPreferenceRow(field, detail, reason)
}

/** Nothing is stored under a name that the service does not take; a time that it does not take is none. */
function takenBack({ externalId, at }: Retraction): readonly Sendable[] {
  if (externalId === "" || externalId.length > BOUNDS.identifier) return []
  const isTime = at !== undefined && at !== "for-good" && findDateFault(at, Date.now()) === undefined
  return [isTime ? { externalId, at: utc(at) } : { externalId }]
}

/** Undefined where nothing is stated: too few candidates can be used, or it is a tie without a name. */
async function comparisonOf(
  { id, judged, ...facts }: StatedComparison,
  onlyRow: PreferenceRow | UnpairedRow | undefined,
): Promise<Comparison | undefined> {
  const usable = withoutUnusable(judged)
  const isVerdict = judged.judgement.kind === "verdict"
  if (usable === undefined || (id === undefined && !isVerdict && derivePairs(usable).kind === "none")) return undefined
  const externalId = id ?? onlyRow?.id ?? `sha256:${await sha256Hex(canonicalJson(usable))}`
  const known = Object.fromEntries(Object.entries(facts).filter(([, fact]) => fact !== undefined))
  return { externalId, ...usable, ...known } as Comparison
}

/** Without candidates that no pair can be made of; undefined where no two are left that say different things, or nothing of a verdict. */
export function withoutUnusable({ prompt, candidates, judgement }: Judged): Judged | undefined {
  const usable = candidates.filter(({ response }) => !isBlank(response) && otherTurn(response, prompt) === undefined)
  if (judgement.kind === "verdict")
    return usable.length === 1 && candidates.length === 1 ? { prompt, candidates, judgement } : undefined
  const kept = restricted(judgement, usable)
  const texts = new Set(usable.map(({ response }) => essence(response)))
  return texts.size < 2 || kept === undefined ? undefined : { prompt, candidates: usable, judgement: kept }
}

/** The judgement without the candidates that are left out; undefined where it says nothing of those that are not. */
function restricted(judgement: Judgement, candidates: readonly JudgedCandidate[]): Judgement | undefined {
  const isKept = (id: string) => candidates.some((candidate) => candidate.id === id)
  if (judgement.kind === "ranking" || judgement.kind === "rating") {
    const placed = judgement.kind === "ranking" ? judgement.ranks : judgement.scores
    const places = Object.fromEntries(Object.entries(placed).filter(([id]) => isKept(id)))
    if (Object.keys(places).length < 2) return undefined
    return judgement.kind === "ranking" ? { kind: "ranking", ranks: places } : { kind: "rating", scores: places }
  }
  if (judgement.kind === "choice") return isKept(judgement.winner) ? judgement : undefined
  return judgement
}

const isPlainRole = (role: string): boolean => PLAIN_ROLES.some((plain) => plain === role)

function checked(comparison: Comparison, hasTools: boolean): Sendable {
  const texts: readonly Text[] = [comparison.prompt, ...comparison.candidates.map(({ response }) => response)]
  const unusual = hasTools ? "tools" : texts.map(unusualMessage).find((name) => name !== undefined)
  if (unusual !== undefined)
    return { fault: `has ${unusual}, which a dataset of the service does not take; train on the file itself` }
  const fault = findComparisonFault(comparison)
  if (fault !== undefined) return { fault: fault.detail }
  const derived = derivePairs(comparison)
  return { comparison, omittedPairs: derived.kind === "pairs" ? derived.omitted : 0 }
}

/** What the service does not take of a message. */
function unusualMessage(text: Text): string | undefined {
  if (typeof text === "string") return undefined
  for (const message of text) {
    if (!isPlainRole(message.role)) return `a message of role ${JSON.stringify(message.role)}`
    const other = Object.keys(message).find((key) => key !== "role" && key !== "content")
    if (other !== undefined) return `a message with ${other}`
  }
  return undefined
}
