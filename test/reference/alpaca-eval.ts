// AlpacaEval 2's length-controlled win rate once more, slowly and by the letter: rows are doubled into two classes as liblinear gets them, and an
// accelerated gradient method of its own goes to the minimum. It can be told to make the mistakes that are usual, to show what each would do.

export interface ReferencePair {
  readonly instruction: number
  /** 1 to 2; undefined: not judged. */
  readonly preference: number | undefined
  readonly baselineLength: number
  readonly modelLength: number
}

export interface ReferenceGamedPair extends ReferencePair {
  readonly preference: number
  readonly gamedModel: string
}

/** Those of lengths and of preferences are made in the model's own rows; the gamed rows come with the set. */
export interface Mistakes {
  /** Divisor of the variance is n − ddof; 1 is right. */
  readonly ddof?: 0 | 1
  readonly isCentred?: boolean
  readonly hasNoTanh?: boolean
  /** 0.1 is right; 0 leaves the rows away. */
  readonly gamedWeight?: number
  readonly penalty?: "L1" | "L2" | "none"
  readonly flipsOwnLengths?: boolean
  readonly binarises?: boolean
  readonly averagesFirst?: boolean
  readonly predictsAtOwnLengths?: boolean
  readonly difficulty?: "none" | "reversed"
}

export interface ReferenceSet {
  readonly pairs: readonly ReferencePair[]
  readonly gamed: readonly ReferenceGamedPair[]
  readonly difficulties: readonly number[] | undefined
}

export interface ReferenceLengthControlled {
  readonly winRate: number
  readonly standardError: number
  readonly coefficients: readonly number[]
}

interface ClassRow {
  readonly features: readonly number[]
  readonly isModelPreferred: boolean
  readonly weight: number
}

const logistic = (value: number) => 1 / (1 + Math.exp(-value))
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)
const mean = (values: readonly number[]) => total(values) / values.length

function deviation(values: readonly number[], ddof: number): number {
  return Math.sqrt(total(values.map((value) => (value - mean(values)) ** 2)) / (values.length - ddof))
}

function lengthFeatures(pairs: readonly ReferencePair[], mistakes: Mistakes): number[] {
  const differences = pairs.map(({ baselineLength, modelLength }) => baselineLength - modelLength)
  const std = deviation(differences, mistakes.ddof ?? 1)
  const centre = mistakes.isCentred ? mean(differences) : 0
  return differences.map((difference) => {
    const scaled = (difference - centre) / std
    return mistakes.hasNoTanh ? scaled : Math.tanh(scaled)
  })
}

function difficultyOf({ difficulties }: ReferenceSet, instruction: number, mistakes: Mistakes): number[] {
  if (difficulties === undefined) return []
  if (mistakes.difficulty === "none") return [0]
  return [difficulties[mistakes.difficulty === "reversed" ? difficulties.length - 1 - instruction : instruction]!]
}

/** Own rows and gamed rows, each once as class 1 and once as class 0, next to each other. */
export function classRows(set: ReferenceSet, mistakes: Mistakes): ClassRow[] {
  const doubled = (
    pair: ReferencePair & { readonly preference: number },
    length: number,
    own: number,
    weight: number,
  ) => {
    const soft = pair.preference - 1
    const share = mistakes.binarises && own === 1 ? Number(soft > 0.5) : soft
    const features = [length, ...difficultyOf(set, pair.instruction, mistakes), own]
    return [
      { features, isModelPreferred: true, weight: weight * share },
      { features, isModelPreferred: false, weight: weight * (1 - share) },
    ]
  }
  const ownLengths = lengthFeatures(set.pairs, mistakes)
  const own = set.pairs.flatMap((pair, index) => {
    const length = mistakes.flipsOwnLengths ? -ownLengths[index]! : ownLengths[index]!
    return pair.preference === undefined ? [] : doubled({ ...pair, preference: pair.preference }, length, 1, 1)
  })
  const gamed = [...new Set(set.gamed.map(({ gamedModel }) => gamedModel))].flatMap((model) => {
    const pairs = set.gamed.filter(({ gamedModel }) => gamedModel === model)
    const lengths = lengthFeatures(pairs, {})
    return pairs.flatMap((pair, index) => doubled(pair, lengths[index]!, 0, mistakes.gamedWeight ?? 0.1))
  })
  return [...own, ...gamed]
}

/** Proximal gradient steps with momentum (FISTA), restarted whenever it leads uphill, until no coordinate moves by 1e-13. */
export function slowMinimum(rows: readonly ClassRow[], penalty: "L1" | "L2" | "none", strength: number): number[] {
  const width = rows[0]!.features.length
  const steepest = total(rows.map(({ features, weight }) => (weight / 4) * total(features.map((x) => x * x))))
  const rate = 1 / (steepest + (penalty === "L2" ? strength : 0))
  const slopesAt = (at: readonly number[]) => {
    const slopes = at.map((value) => (penalty === "L2" ? strength * value : 0))
    for (const { features, isModelPreferred, weight } of rows) {
      const score = total(features.map((x, column) => x * at[column]!))
      const error = weight * (isModelPreferred ? -logistic(-score) : logistic(score))
      for (let column = 0; column < width; column++) slopes[column]! += error * features[column]!
    }
    return slopes
  }
  let here: number[] = new Array(width).fill(0)
  let ahead = here
  let momentum = 1
  for (let step = 0; step < 200_000; step++) {
    const slopes = slopesAt(ahead)
    const next = ahead.map((value, column) => {
      const moved = value - rate * slopes[column]!
      if (penalty !== "L1") return moved
      return Math.sign(moved) * Math.max(0, Math.abs(moved) - rate * strength)
    })
    const isUphill = total(next.map((value, column) => (ahead[column]! - value) * (value - here[column]!))) > 0
    if (Math.max(...next.map((value, column) => Math.abs(value - ahead[column]!))) < 1e-13) return next
    const nextMomentum = isUphill ? 1 : (1 + Math.sqrt(1 + 4 * momentum ** 2)) / 2
    const share = isUphill ? 0 : (momentum - 1) / nextMomentum
    ahead = next.map((value, column) => value + share * (value - here[column]!))
    here = next
    momentum = nextMomentum
  }
  throw new Error("the slow twin did not come to rest")
}

/** With the mistakes told, or none. `regularisation` is C. */
export function referenceLengthControlled(
  set: ReferenceSet,
  regularisation: number,
  mistakes: Mistakes = {},
): ReferenceLengthControlled {
  const rows = classRows(set, mistakes).filter(({ weight }) => weight > 0)
  const coefficients = slowMinimum(rows, mistakes.penalty ?? "L1", 1 / regularisation)
  const lengths = lengthFeatures(set.pairs, mistakes)
  const scores = set.pairs.map(({ instruction }, index) => {
    const length = mistakes.predictsAtOwnLengths ? lengths[index]! : 0
    const features = [length, ...difficultyOf(set, instruction, mistakes), 1]
    return total(features.map((x, column) => x * coefficients[column]!))
  })
  const shares = scores.map(logistic)
  const winRate = 100 * (mistakes.averagesFirst ? logistic(mean(scores)) : mean(shares))
  return { winRate, standardError: (100 * deviation(shares, 1)) / Math.sqrt(shares.length), coefficients }
}
