// A slow twin of Arena-Hard's fits, as its authors build them: a strong verdict is three rows, every row stands twice, a tie is a win and a loss, the
// matrix is dense, and Newton's steps are solved by elimination. It can make the usual mistakes, each of which a test must see.
import type { JudgedQuestion, StyleCounts } from "#shared/evaluation/arena-hard/battles.ts"

export interface ArenaMistakes {
  readonly strongWeight?: number
  /** The second game is read as the first. */
  readonly forgetsSwap?: boolean
  readonly ties?: "dropped" | "won"
  /** Only the game without a verdict falls, or, in v0.1, its question. */
  readonly dropsOtherwise?: boolean
  readonly ridge?: number
  readonly standsOnce?: boolean
  readonly hasNoOne?: boolean
  readonly countsForDensities?: boolean
  readonly flipsStyle?: boolean
  readonly isNotCentred?: boolean
  readonly unit?: number
  readonly ddof?: 0 | 1
  readonly sumsRatings?: boolean
}

interface Row {
  readonly model: number
  /** 1, 0, ½ for the model. */
  readonly score: number
  readonly difference: readonly number[]
}

export interface ReferenceScores {
  /** Per cent, by model. */
  readonly scores: ReadonlyMap<string, number>
  readonly coefficients: readonly number[]
}

export function referenceArenaScores(
  models: ReadonlyMap<string, readonly JudgedQuestion[]>,
  baseline: ReadonlyMap<string, StyleCounts>,
  version: "0.1" | "2.0",
  columns: readonly number[],
  mistakes: ArenaMistakes = {},
): ReferenceScores {
  const isFirst = version === "0.1"
  const names = [...models.keys()]
  const rows = names.flatMap((name, model) =>
    models.get(name)!.flatMap(({ question, verdicts, style }) => {
      const dropsQuestion = isFirst === (mistakes.dropsOtherwise === true)
      if (dropsQuestion && verdicts.some((verdict) => verdict === undefined)) return []
      const difference = columns.map((column) =>
        differenceOf(style!, baseline.get(question)!, column, isFirst, mistakes),
      )
      return verdicts.flatMap((verdict, game) => {
        if (verdict === undefined || (verdict === "A=B" && mistakes.ties === "dropped")) return []
        const isA = game === 1 && !mistakes.forgetsSwap
        const winner = verdict === "A=B" ? (mistakes.ties === "won" ? 1 : 0.5) : verdict.startsWith("A") === isA ? 1 : 0
        const times = verdict.length === 4 ? (mistakes.strongWeight ?? 3) : 1
        return Array.from({ length: times }, (): Row => ({ model, score: winner, difference }))
      })
    }),
  )
  const styles = standardised(rows, mistakes.ddof ?? (isFirst ? 0 : 1), mistakes.isNotCentred === true)
  const unit = mistakes.unit ?? (isFirst ? Math.log(10) : 1)
  const ridge = mistakes.ridge ?? (isFirst ? 1 : 0)
  const width = names.length + 1 + columns.length
  const matrix = rows.map(({ model }, index) => {
    const x = new Array<number>(width).fill(0)
    x[model] = unit
    // Without a penalty the baseline's rating is not determined, and is left at 0.
    x[names.length] = ridge > 0 ? -unit : 0
    styles[index]!.forEach((value, column) => {
      x[names.length + 1 + column] = mistakes.flipsStyle && index % 2 === 1 ? -value : value
    })
    return x
  })
  const twice = isFirst && !mistakes.standsOnce
  const x = twice ? [...matrix, ...matrix] : matrix
  const y = twice
    ? [...rows.map(({ score }) => (score === 0.5 ? 1 : score)), ...rows.map(({ score }) => Math.floor(score))]
    : rows.map(({ score }) => score)
  const w = newton(x, y, ridge)
  const scoreOf = (model: number) => {
    const apart = mistakes.sumsRatings ? w[model]! : w[model]! - w[names.length]!
    return 100 / (1 + Math.exp(-unit * apart))
  }
  return {
    scores: new Map(names.map((name, model) => [name, scoreOf(model)])),
    coefficients: w.slice(names.length + 1),
  }
}

function differenceOf(
  model: StyleCounts,
  baseline: StyleCounts,
  column: number,
  isFirst: boolean,
  mistakes: ArenaMistakes,
): number {
  const one = mistakes.hasNoOne || (!isFirst && column === 0) ? 0 : 1
  const byTokens = !isFirst && column > 0 && !mistakes.countsForDensities
  const a = byTokens ? model[column]! / (model[0] + 1) : model[column]!
  const b = byTokens ? baseline[column]! / (baseline[0] + 1) : baseline[column]!
  return a + b + one === 0 ? 0 : (a - b) / (a + b + one)
}

function standardised(rows: readonly Row[], ddof: 0 | 1, isNotCentred: boolean): number[][] {
  const columns = rows[0]!.difference.map((_, column) => {
    const values = rows.map(({ difference }) => difference[column]!)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - ddof)
    return values.map((value) => (value - (isNotCentred ? 0 : mean)) / Math.sqrt(variance))
  })
  return rows.map((_, row) => columns.map((column) => column[row]!))
}

/** Minimises Σ CE + ridge/2·|w|²; a column of zeros keeps 0. */
function newton(x: readonly (readonly number[])[], y: readonly number[], ridge: number): number[] {
  const width = x[0]!.length
  let w = new Array<number>(width).fill(0)
  for (let step = 0; step < 60; step++) {
    const gradient = w.map((value) => ridge * value)
    const hessian = w.map((_, row) => w.map((_, column) => (row === column ? ridge : 0)))
    x.forEach((row, index) => {
      const p = 1 / (1 + Math.exp(-row.reduce((sum, value, column) => sum + value * w[column]!, 0)))
      row.forEach((a, i) => {
        gradient[i]! += (p - y[index]!) * a
        row.forEach((b, j) => {
          hessian[i]![j]! += p * (1 - p) * a * b
        })
      })
    })
    const move = eliminated(hessian, gradient)
    // Half steps at first: from 0 a whole one may go too far.
    w = w.map((value, column) => value - (step < 4 ? 0.5 : 1) * move[column]!)
  }
  return w
}

function eliminated(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, index) => [...row, right[index]!])
  const width = right.length
  for (let pivot = 0; pivot < width; pivot++) {
    if (Math.abs(rows[pivot]![pivot]!) < 1e-12) rows[pivot]![pivot] = 1
    for (let row = 0; row < width; row++) {
      if (row === pivot) continue
      const share = rows[row]![pivot]! / rows[pivot]![pivot]!
      for (let column = pivot; column <= width; column++) rows[row]![column]! -= share * rows[pivot]![column]!
    }
  }
  return rows.map((row, index) => row[width]! / row[index]!)
}
