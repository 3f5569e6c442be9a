// A record of a file as the comparisons that the service takes: what one person said at once is sent at once, under the record's own
// name, so that what they say later takes its place wholly.
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { type Comparison, type Judgement, PLAIN_ROLES, type Text } from "./Comparison.ts"
import { essence, findComparisonFault, isBlank } from "./comparison-faults.ts"
import { derivePairs, type Judged, type JudgedCandidate } from "./derive-pairs.ts"
import { otherTurn } from "./one-answer.ts"
import type { PreferenceRecord, PreferenceRow } from "./preference-rows.ts"
import type { StatedComparison } from "./sources/record.ts"

/** A comparison to send, or why the service cannot take what a record states, with the mend. */
export type Sendable =
  | {
      readonly comparison: Comparison
      /** Pairs that the service leaves out, since a judgement gives it at most MAX_PAIRS_PER_COMPARISON. */
      readonly omittedPairs: number
    }
  | { readonly fault: string }

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

/**
 * In the record's order. A tie is sent where its record has a name: it takes the place of a preference that was said before. Ids of
 * judgements without one are of their content.
 */
export async function sendableComparisons(record: PreferenceRecord): Promise<readonly Sendable[]> {
  const { comparisons, pairs } = record
  if (comparisons === undefined) return pairs.map((row) => checked(comparisonOfRow(row), "tools" in row))
  const isOnePair = comparisons.length === 1 && pairs.length === 1
  const sendable: Sendable[] = []
  for (const stated of comparisons) {
    const comparison = await comparisonOf(stated, isOnePair ? pairs[0] : undefined)
    if (comparison !== undefined) sendable.push(checked(comparison, false))
  }
  return sendable
}

/** Undefined where nothing is stated: too few candidates can be used, or it is a tie without a name. */
async function comparisonOf(
  { id, judged, ...facts }: StatedComparison,
  onlyPair: PreferenceRow | undefined,
): Promise<Comparison | undefined> {
  const usable = withoutUnusable(judged)
  if (usable === undefined || (id === undefined && derivePairs(usable).kind === "none")) return undefined
  const externalId = id ?? onlyPair?.id ?? `sha256:${await sha256Hex(canonicalJson(usable))}`
  const known = Object.fromEntries(Object.entries(facts).filter(([, fact]) => fact !== undefined))
  return { externalId, ...usable, ...known } as Comparison
}

/** Without candidates that no pair can be made of; of two that say the same and were judged alike, the first. */
function withoutUnusable(judged: Judged): Judged | undefined {
  const { prompt, judgement } = judged
  const seen: { readonly essence: string; readonly place: unknown }[] = []
  const candidates = judged.candidates.filter(({ id, response }) => {
    if (isBlank(response) || otherTurn(response, prompt) !== undefined) return false
    const said = { essence: essence(response), place: placeOf(judgement, id) }
    const hasTwin = seen.some((twin) => twin.essence === said.essence && twin.place === said.place)
    seen.push(said)
    return !hasTwin
  })
  const kept = restricted(judgement, candidates)
  return candidates.length < 2 || kept === undefined ? undefined : { prompt, candidates, judgement: kept }
}

function placeOf(judgement: Judgement, id: string): unknown {
  if (judgement.kind === "ranking") return judgement.ranks[id]
  if (judgement.kind === "rating") return judgement.scores[id]
  if (judgement.kind === "choice") return judgement.winner === id
  return judgement.kind === "tie" || judgement.value === 0 ? 0 : id
}

/** The judgement without the candidates that are left out. */
function restricted(judgement: Judgement, candidates: readonly JudgedCandidate[]): Judgement | undefined {
  const isKept = (id: string) => candidates.some((candidate) => candidate.id === id)
  const places = (all: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(all).filter(([id]) => isKept(id)))
  if (judgement.kind === "ranking") return { kind: "ranking", ranks: places(judgement.ranks) }
  if (judgement.kind === "rating") return { kind: "rating", scores: places(judgement.scores) }
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
