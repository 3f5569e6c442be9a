// The verdict in a judge's answer about two answers A and B, and what it is worth. A text is read by the protocol's own rule; what carries no
// verdict is told apart from what carries several, since only the first is asked again.

/** From "A is much better" to "B is much better". */
export const VERDICTS = ["A>>B", "A>B", "A=B", "B>A", "B>>A"] as const
export type Verdict = (typeof VERDICTS)[number]

/** Labels that v2.0 takes beside the five, and which of them they say. */
const MIRRORED: Readonly<Record<string, Verdict>> = {
  "B<<A": "A>>B",
  "B<A": "A>B",
  "B=A": "A=B",
  "A<B": "B>A",
  "A<<B": "B>>A",
}

export type Version = "0.1" | "2.0"

/** The verdict that a label names in a version's files; undefined for every other text. */
export function verdictOf(label: string, version: Version): Verdict | undefined {
  const verdict = VERDICTS.find((each) => each === label)
  if (verdict !== undefined || version === "0.1") return verdict
  return Object.hasOwn(MIRRORED, label) ? MIRRORED[label] : undefined
}

export type ReadVerdict =
  | { readonly verdict: Verdict }
  /** none: no label at all, ask once more; several: labels that differ; unknown: a label that is none of the protocol's. */
  | { readonly verdict: undefined; readonly reason: "none" | "several" | "unknown" }

/** Between double brackets: letters A and B with signs between them. */
const LABEL = /\[\[([AB<>=]+)\]\]/g

/** v0.1: the one label in the text; labels that differ are no verdict. Case counts. */
export function readVerdictOfV01(text: string): ReadVerdict {
  const labels = new Set([...text.matchAll(LABEL)].map(([, label]) => label!))
  if (labels.size === 0) return { verdict: undefined, reason: "none" }
  if (labels.size > 1) return { verdict: undefined, reason: "several" }
  const verdict = verdictOf([...labels][0]!, "0.1")
  return verdict === undefined ? { verdict: undefined, reason: "unknown" } : { verdict }
}

/**
 * v2.0: the last label between double brackets, in either case. The authors' second rule, single brackets, is not followed: in upper case it reads
 * code such as x[a] as a verdict. For the same reason a last [[A]] is passed over for the label before it.
 */
export function readVerdictOfV2(text: string): ReadVerdict {
  const labels = [...text.toUpperCase().matchAll(LABEL)].map(([, label]) => label!)
  const verdict = labels.map((label) => verdictOf(label, "2.0")).findLast((each) => each !== undefined)
  if (verdict !== undefined) return { verdict }
  return { verdict: undefined, reason: labels.length === 0 ? "none" : "unknown" }
}

/** What a game brings to the model against the baseline. */
export interface Play {
  /** How often the game counts: a strong verdict thrice. */
  readonly weight: number
  /** 1 the model is better, 0 the baseline, ½ a tie. */
  readonly score: number
}

export const STRONG_WEIGHT = 3

/** In an even game the baseline was shown as A, in an odd one the model. */
export function playOf(verdict: Verdict, game: number): Play {
  const forA = verdict === "A=B" ? 0.5 : verdict.startsWith("A") ? 1 : 0
  return { weight: verdict.includes(">>") ? STRONG_WEIGHT : 1, score: game % 2 === 0 ? 1 - forA : forA }
}
