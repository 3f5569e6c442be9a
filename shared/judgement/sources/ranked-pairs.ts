// From candidates in order to pairs: every two that are placed apart, the better one chosen.
import { dropped, type StatedPair, type Statement, type Text } from "./record.ts"

export interface PlacedCandidate {
  /** Names the candidate inside its record. */
  readonly name: string
  readonly response: Text
  /** Higher is better. */
  readonly score: number
}

/**
 * All strictly ordered pairs, the best candidate's first. n candidates in a strict order give n(n−1)/2 pairs, equal places none;
 * none at all is a tie. A pair is named `<record>/<better>><worse>`, where the record has a name.
 */
export function rankedPairs(
  id: string | undefined,
  prompt: Text,
  candidates: readonly PlacedCandidate[],
  tools?: readonly unknown[] | undefined,
): Statement {
  const ordered = candidates.toSorted((a, b) => b.score - a.score)
  const pairs: StatedPair[] = []
  for (const [index, better] of ordered.entries()) {
    for (const worse of ordered.slice(index + 1)) {
      if (worse.score === better.score) continue
      const name = id === undefined ? undefined : `${id}/${better.name}>${worse.name}`
      pairs.push({ id: name, prompt, chosen: better.response, rejected: worse.response, tools })
    }
  }
  if (pairs.length > 0) return pairs.length === 1 ? { pairs: [{ ...pairs[0]!, id }] } : { pairs }
  return candidates.length < 2
    ? dropped("unlabelled", "fewer than two candidates are judged")
    : dropped("tie", "all candidates are judged alike")
}
