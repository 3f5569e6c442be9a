// Logistic regression on soft targets with weights and an L1 penalty, to a stated bound on its optimality conditions, in f64.
// Loss(w) = Σ sᵢ·CE(yᵢ, σ(xᵢ·w)) + penalty·|w|₁, the sum that liblinear minimises for C = 1/penalty on rows doubled into classes 1 and 0
// with weights s·y and s·(1−y). Made for a few columns: a step solves its quadratic model with the Hessian as it is.
import { logSigmoid, sigmoid } from "#shared/methods/log-sigmoid.ts"
import { FitNotReached } from "../evaluation-error.ts"

export interface WeightedRows {
  /** Row after row, `width` numbers each. */
  readonly features: Float64Array
  readonly width: number
  /** y in [0, 1]. */
  readonly targets: Float64Array
  /** s ≥ 0. */
  readonly weights: Float64Array
}

/** The optimality conditions hold to this share of Σ sᵢ, in every coordinate. */
export const OPTIMALITY = 1e-11

const MAX_STEPS = 200
/** Of a step: a shorter one moves nothing. */
const LEAST_SHARE = 2 ** -50
/** The least share of the foreseen decrease that a step must bring (Armijo). */
const SUFFICIENT_DECREASE = 1e-4

/** xᵢ·w */
export function scoreOfRow({ features, width }: WeightedRows, row: number, coefficients: ArrayLike<number>): number {
  let score = 0
  for (let column = 0; column < width; column++) score += features[row * width + column]! * coefficients[column]!
  return score
}

/** CE(y, σ(score)) = −y·log σ(score) − (1 − y)·log σ(−score), nats; finite also far out. */
export function crossEntropy(target: number, score: number): number {
  return (1 - target) * score - logSigmoid(score)
}

const absoluteSum = (values: Float64Array) => values.reduce((sum, value) => sum + Math.abs(value), 0)

/** The loss without its penalty, and its first and second derivatives. */
interface Derivatives {
  readonly loss: number
  readonly gradient: Float64Array
  /** width × width */
  readonly hessian: Float64Array
}

function derivativesAt(rows: WeightedRows, coefficients: Float64Array): Derivatives {
  const { features, width, targets, weights } = rows
  const gradient = new Float64Array(width)
  const hessian = new Float64Array(width * width)
  let loss = 0
  for (let row = 0; row < targets.length; row++) {
    const score = scoreOfRow(rows, row, coefficients)
    const share = sigmoid(score)
    const slope = weights[row]! * (share - targets[row]!)
    const curvature = weights[row]! * share * (1 - share)
    loss += weights[row]! * crossEntropy(targets[row]!, score)
    for (let a = 0; a < width; a++) {
      const feature = features[row * width + a]!
      gradient[a]! += slope * feature
      for (let b = 0; b < width; b++) hessian[a * width + b]! += curvature * feature * features[row * width + b]!
    }
  }
  return { loss, gradient, hessian }
}

/** The greatest |component| of the subgradient that is nearest to 0: 0 at the minimum, and there alone. */
export function optimalityGap(gradient: Float64Array, coefficients: Float64Array, penalty: number): number {
  return gradient.reduce((worst, slope, column) => {
    const value = coefficients[column]!
    const gap = value === 0 ? Math.max(0, Math.abs(slope) - penalty) : Math.abs(slope + penalty * Math.sign(value))
    return Math.max(worst, gap)
  }, 0)
}

/**
 * What minimises gradient·d + ½ d·Hd + penalty·|w + d|₁. Where the signs of the minimum are known it solves linear equations; so each of the
 * 3^width choices of signs gives one point, and that which meets the optimality conditions best is the minimum.
 */
function newtonTarget({ gradient, hessian }: Derivatives, coefficients: Float64Array, penalty: number): Float64Array {
  const width = coefficients.length
  const slopesAt = (point: Float64Array) =>
    gradient.map((slope, row) => {
      for (let column = 0; column < width; column++) {
        slope += hessian[row * width + column]! * (point[column]! - coefficients[column]!)
      }
      return slope
    })
  const slopesAtZero = slopesAt(new Float64Array(width))
  let best = coefficients
  let least = Number.POSITIVE_INFINITY
  for (let choice = 0; choice < 3 ** width; choice++) {
    const signs = Array.from(coefficients, (_, column) => (Math.floor(choice / 3 ** column) % 3) - 1)
    const point = stationaryPoint(hessian, slopesAtZero, signs, penalty)
    const gap = point === undefined ? Number.NaN : optimalityGap(slopesAt(point), point, penalty)
    if (gap < least) [best, least] = [point!, gap]
  }
  return best
}

/** The point with H·w = −slopesAtZero − penalty·sign in the columns with a sign, and 0 in the others; undefined where these columns repeat each other. */
function stationaryPoint(
  hessian: Float64Array,
  slopesAtZero: Float64Array,
  signs: readonly number[],
  penalty: number,
): Float64Array | undefined {
  const width = signs.length
  const free = signs.flatMap((sign, column) => (sign === 0 ? [] : [column]))
  const equations = free.map((row) => [
    ...free.map((column) => hessian[row * width + column]!),
    -slopesAtZero[row]! - penalty * signs[row]!,
  ])
  const solution = solved(equations)
  if (solution === undefined) return undefined
  const point = new Float64Array(width)
  free.forEach((column, index) => {
    point[column] = solution[index]!
  })
  return point
}

/** Gauss's elimination with the greatest pivot; each equation ends with its right side. Undefined where a pivot is 0. */
function solved(equations: number[][]): number[] | undefined {
  const size = equations.length
  for (let at = 0; at < size; at++) {
    for (let row = at + 1; row < size; row++) {
      if (Math.abs(equations[row]![at]!) > Math.abs(equations[at]![at]!)) {
        ;[equations[at], equations[row]] = [equations[row]!, equations[at]!]
      }
    }
    const pivot = equations[at]!
    if (pivot[at] === 0) return undefined
    for (let row = 0; row < size; row++) {
      const factor = equations[row]![at]! / pivot[at]!
      if (row !== at) equations[row] = equations[row]!.map((value, column) => value - factor * pivot[column]!)
    }
  }
  return equations.map((equation, row) => equation[size]! / equation[row]!)
}

/**
 * The coefficients at the minimum: its optimality conditions hold to OPTIMALITY·Σ sᵢ. `penalty` = 1/C > 0; `start` changes the way there, not the
 * place. Proximal Newton (Lee, Sun and Saunders 2014) with halved steps. Throws FitNotReached.
 */
export function fitWeightedLogistic(
  rows: WeightedRows,
  penalty: number,
  start: Float64Array = new Float64Array(rows.width),
): Float64Array {
  const bound = OPTIMALITY * rows.weights.reduce((sum, weight) => sum + weight, 0)
  let at: Place = { coefficients: start.slice(), derivatives: derivativesAt(rows, start) }
  for (let step = 0; step < MAX_STEPS; step++) {
    if (optimalityGap(at.derivatives.gradient, at.coefficients, penalty) <= bound) return at.coefficients
    at = stepFrom(at, rows, penalty)
  }
  throw new FitNotReached(
    `the fit's minimum was not reached in ${MAX_STEPS} steps at C = ${1 / penalty}; the data may be separable: give a smaller C`,
  )
}

interface Place {
  readonly coefficients: Float64Array
  readonly derivatives: Derivatives
}

/** Towards the quadratic model's minimum, so far that enough of what it foresees comes true. */
function stepFrom({ coefficients: from, derivatives }: Place, rows: WeightedRows, penalty: number): Place {
  const target = newtonTarget(derivatives, from, penalty)
  const before = derivatives.loss + penalty * absoluteSum(from)
  const foreseen =
    derivatives.gradient.reduce((sum, slope, column) => sum + slope * (target[column]! - from[column]!), 0) +
    penalty * (absoluteSum(target) - absoluteSum(from))
  // Next to the minimum the decrease drowns in the rounding of the sums: there the whole step is right.
  const isAtRounding = -foreseen <= 1e-13 * Math.abs(before)
  for (let share = 1; ; share /= 2) {
    const coefficients =
      share === 1 ? target : target.map((value, column) => from[column]! + share * (value - from[column]!))
    const place = { coefficients, derivatives: derivativesAt(rows, coefficients) }
    const decrease = before - (place.derivatives.loss + penalty * absoluteSum(coefficients))
    if (isAtRounding || decrease >= -SUFFICIENT_DECREASE * share * foreseen || share < LEAST_SHARE) return place
  }
}
