// Several e-values at once: one global claim, or which of many claims stand.

/** The logarithm of the mean of e-values, itself an e-value for "all of the hypotheses hold", however they depend on each other. */
export function logMeanEvidence(logEvidences: readonly number[]): number {
  if (logEvidences.length === 0) throw new RangeError("a mean needs at least one e-value")
  const greatest = Math.max(...logEvidences)
  return (
    greatest + Math.log(logEvidences.reduce((sum, each) => sum + Math.exp(each - greatest), 0) / logEvidences.length)
  )
}

/**
 * Which hypotheses are rejected so that of those at most a share α is expected to be wrong, however they depend on each other: the k greatest, for the
 * greatest k of which the k-th e-value is at least n / (α k) (e-Benjamini–Hochberg, Wang and Ramdas 2022).
 */
export function rejectedByEvidence(logEvidences: readonly number[], alpha: number): boolean[] {
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha is in (0, 1), not ${alpha}`)
  const descending = logEvidences.toSorted((a, b) => b - a)
  const count =
    descending.findLastIndex((each, index) => each >= Math.log(descending.length / (alpha * (index + 1)))) + 1
  return logEvidences.map((each) => count > 0 && each >= descending[count - 1]!)
}
