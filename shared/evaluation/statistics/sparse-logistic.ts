// Logistic regression on counted wins with an L2 penalty or none, to a stated bound on its gradient, in f64: for rows of which few of many columns are
// not zero, such as which two models played. Loss(w) = Σ nᵢ·log(1 + e^zᵢ) − kᵢ·zᵢ + ridge/2·|w|², zᵢ = xᵢ·w, of nᵢ games kᵢ won.
import { logSigmoid, sigmoid } from "#shared/methods/log-sigmoid.ts"
import { FitNotReached } from "../evaluation-error.ts"

export interface SparseRows {
  /** Number of coefficients. */
  readonly width: number
  /** Row after row, `perRow` each: columns, which ascend within a row, and their values. */
  readonly perRow: number
  readonly columns: Uint32Array
  readonly values: Float64Array
}

export interface CountedWins {
  /** n ≥ 0, one a row; k ≤ n of them are won. */
  readonly games: Float64Array
  readonly wins: Float64Array
}

/** No component of the gradient is greater than this share of Σ n. */
export const GRADIENT_BOUND = 1e-12

const MAX_STEPS = 200
/** What a step may still bring, as a share of Σ n, at a minimum that a column without curvature keeps from the gradient's bound: it has run off. */
const LEAST_DECREASE = 1e-22
/** A pivot below this share of its diagonal: the column is a combination of others, within rounding. */
const LEAST_PIVOT = 1e-11
/** Of a step: a shorter one moves nothing. */
const LEAST_SHARE = 2 ** -40

interface Place {
  readonly coefficients: Float64Array
  readonly loss: number
  readonly gradient: Float64Array
  /** Lower triangle, width × width. */
  readonly hessian: Float64Array
}

/**
 * The coefficients at the minimum, by Newton's method with halved steps. Without a penalty a column of which all games are won or lost goes so far out that its gradient is
 * within the bound. Columns that the rows cannot tell apart keep 0 beside the others. Throws FitNotReached.
 */
export function fitSparseLogistic(
  rows: SparseRows,
  counted: CountedWins,
  ridge: number,
  start: Float64Array = new Float64Array(rows.width),
): Float64Array {
  const total = counted.games.reduce((sum, games) => sum + games, 0)
  let place = placeAt(rows, counted, ridge, start)
  for (let step = 0; step < MAX_STEPS; step++) {
    if (place.gradient.every((slope) => Math.abs(slope) <= GRADIENT_BOUND * total)) return place.coefficients
    const next = stepFrom(place, rows, counted, ridge, LEAST_DECREASE * total)
    if (next === undefined) return place.coefficients
    place = next
  }
  throw new FitNotReached(
    `the fit's minimum was not reached in ${MAX_STEPS} steps: styles may tell every win from every loss; judge more answers, or control fewer columns`,
  )
}

function placeAt(rows: SparseRows, { games, wins }: CountedWins, ridge: number, coefficients: Float64Array): Place {
  const { width, perRow, columns, values } = rows
  const gradient = coefficients.map((value) => ridge * value)
  const hessian = new Float64Array(width * width)
  let loss = (ridge / 2) * coefficients.reduce((sum, value) => sum + value ** 2, 0)
  for (let column = 0; column < width; column++) hessian[column * width + column] = ridge
  for (let row = 0; row < games.length; row++) {
    if (games[row] === 0) continue
    const [from, to] = [row * perRow, (row + 1) * perRow]
    let score = 0
    for (let at = from; at < to; at++) score += values[at]! * coefficients[columns[at]!]!
    const share = sigmoid(score)
    loss += (games[row]! - wins[row]!) * score - games[row]! * logSigmoid(score)
    const slope = games[row]! * share - wins[row]!
    const curvature = games[row]! * share * sigmoid(-score)
    for (let at = from; at < to; at++) {
      const column = columns[at]!
      gradient[column]! += slope * values[at]!
      const bent = curvature * values[at]!
      for (let other = from; other <= at; other++) hessian[column * width + columns[other]!]! += bent * values[other]!
    }
  }
  return { coefficients, loss, gradient, hessian }
}

/** As much of Newton's step as lowers the loss; undefined where nothing does, which is at the minimum to rounding. */
function stepFrom(
  place: Place,
  rows: SparseRows,
  counted: CountedWins,
  ridge: number,
  leastDecrease: number,
): Place | undefined {
  const step = solved(place.hessian, place.gradient)
  const decrease = step.reduce((sum, value, column) => sum + value * place.gradient[column]!, 0)
  if (!(decrease > leastDecrease)) return undefined
  // Next to the minimum the decrease drowns in the rounding of the sums: there the whole step is right.
  const isAtRounding = decrease <= 1e-12 * (1 + Math.abs(place.loss))
  for (let share = 1; share >= LEAST_SHARE; share /= 2) {
    const coefficients = place.coefficients.map((value, column) => value - share * step[column]!)
    const next = placeAt(rows, counted, ridge, coefficients)
    if (isAtRounding || next.loss <= place.loss - 1e-4 * share * decrease) return next
  }
  return undefined
}

/** x of Hx = g by Cholesky's factors, which overwrite H's lower triangle; 0 in columns that others make up. */
function solved(matrix: Float64Array, right: Float64Array): Float64Array {
  const width = right.length
  const x = right.slice()
  const isKept = new Uint8Array(width)
  for (let row = 0; row < width; row++) {
    const diagonal = matrix[row * width + row]!
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * width + column]!
      for (let k = 0; k < column; k++) sum -= matrix[row * width + k]! * matrix[column * width + k]!
      if (column < row) matrix[row * width + column] = isKept[column] ? sum / matrix[column * width + column]! : 0
      else isKept[row] = sum > LEAST_PIVOT * diagonal && sum > 0 ? 1 : 0
      if (column === row) matrix[row * width + row] = isKept[row] ? Math.sqrt(sum) : 0
    }
  }
  for (let row = 0; row < width; row++) {
    if (!isKept[row]) x[row] = 0
    else {
      for (let k = 0; k < row; k++) x[row]! -= matrix[row * width + k]! * x[k]!
      x[row]! /= matrix[row * width + row]!
    }
  }
  for (let row = width - 1; row >= 0; row--) {
    if (!isKept[row]) continue
    for (let k = row + 1; k < width; k++) x[row]! -= matrix[k * width + row]! * x[k]!
    x[row]! /= matrix[row * width + row]!
  }
  return x
}
