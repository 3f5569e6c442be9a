// Several judges of the same pairs as one, from verdicts that are there: what they say together, how far each goes with the others, and whether models stand
// in the same order whichever of them is believed. A value is from 0 (the baseline's answer is better) to 1.

/** The values of one judge, a pair an entry; undefined where it has no verdict. */
export type JurorValues = readonly (number | undefined)[]

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const given = (values: JurorValues) => values.filter((value) => value !== undefined)

/** For each pair the mean of the judges that have a verdict; undefined where none has. Judges count alike. */
export function juryValues(jurors: readonly JurorValues[]): JurorValues {
  const [first = []] = jurors
  return first.map((_, pair) => {
    const said = given(jurors.map((values) => values[pair]))
    return said.length === 0 ? undefined : meanOf(said)
  })
}

export interface JurorReport {
  /** Per cent, by this judge alone; null where it has no verdict. */
  readonly win_rate: number | null
  /** Per cent, by the others. */
  readonly win_rate_without: number | null
  /** 1 less the mean distance of its decision from that of the others together, from 0 to 1; null where no pair has both. */
  readonly agreement: number | null
}

/** In the order of the judges. */
export function jurorReports(jurors: readonly JurorValues[]): JurorReport[] {
  return jurors.map((values, index) => {
    const others = juryValues(jurors.filter((_, other) => other !== index))
    const distances = values.flatMap((value, pair) => {
      const other = others[pair]
      return value === undefined || other === undefined ? [] : [Math.abs(sideOf(value) - sideOf(other))]
    })
    return {
      win_rate: percentOf(values),
      win_rate_without: percentOf(others),
      agreement: distances.length === 0 ? null : 1 - meanOf(distances),
    }
  })
}

const percentOf = (values: JurorValues) => (given(values).length === 0 ? null : 100 * meanOf(given(values)))
const sideOf = (value: number) => (value > 0.5 ? 1 : value < 0.5 ? 0 : 0.5)

/**
 * How alike two judges rank the same models (Kendall's τ): the share of pairs of models that both order alike, less that which they order differently; a tie
 * is neither. 1 is the same order, −1 the reverse. Undefined for fewer than two models.
 */
export function rankAgreement(one: readonly number[], other: readonly number[]): number | undefined {
  if (one.length < 2) return undefined
  let [sum, pairs] = [0, 0]
  for (let i = 0; i < one.length; i++) {
    for (let j = 0; j < i; j++) {
      sum += Math.sign(one[i]! - one[j]!) * Math.sign(other[i]! - other[j]!)
      pairs++
    }
  }
  return sum / pairs
}
