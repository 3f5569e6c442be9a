// The verdict in the words of a judge that gives no log-probs: one label between double brackets, or the name alone. What carries several labels that
// differ is no verdict: which of them was meant is not for us to guess.

/** For the answer that was shown first, for none, for the other. */
export type PairwiseVerdict = "first" | "tie" | "second"

/** For the answer shown first, from 0 to 1. */
export const SHARE_OF_FIRST: Readonly<Record<PairwiseVerdict, number>> = { first: 1, tie: 0.5, second: 0 }

/** Our own names of the answers, MT-Bench's, and those of AlpacaEval's prompts. */
const NAMES: Readonly<Record<string, PairwiseVerdict>> = { A: "first", m: "first", B: "second", M: "second", C: "tie" }

const LABEL = /\[\[\s*([ABCmM])\s*\]\]/g
/** A name with nothing but signs around it, as chat models put them there. */
const BARE = /^[\s"'`*_.:()[\]]*([ABCmM])[\s"'`*_.:()[\]]*$/

/** Undefined where the text names no answer, or several. */
export function readPairwiseVerdict(text: string): PairwiseVerdict | undefined {
  const labels = [...text.matchAll(LABEL)].map(([, name]) => NAMES[name!]!)
  if (labels.length > 0) return new Set(labels).size === 1 ? labels[0] : undefined
  const name = BARE.exec(text)?.[1]
  return name === undefined ? undefined : NAMES[name]
}
