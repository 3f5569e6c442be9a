// A shaped f64 array: what the reference implementations compute on. Plain loops, no tricks.

export interface Array64 {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

/** Zeros of a shape. */
export function zeros64(...shape: readonly number[]): Array64 {
  return { shape, data: new Float64Array(shape.reduce((product, size) => product * size, 1)) }
}

/** An array from nested rows or a flat list. */
export function array64(values: readonly number[] | readonly (readonly number[])[]): Array64 {
  const rows = values as readonly (readonly number[])[]
  if (Array.isArray(rows[0])) return { shape: [rows.length, rows[0].length], data: Float64Array.from(rows.flat()) }
  return { shape: [values.length], data: Float64Array.from(values as readonly number[]) }
}

/** The two dimensions of a matrix. */
export function dimensions(array: Array64): readonly [rows: number, columns: number] {
  return [array.shape[0]!, array.shape[1]!]
}

/** The named rows of a matrix, in the order in which they are named. */
export function rowsOf({ shape, data }: Array64, rows: ArrayLike<number>): Array64 {
  const columns = shape[1]!
  const picked = zeros64(rows.length, columns)
  for (let i = 0; i < rows.length; i++) {
    picked.data.set(data.subarray(rows[i]! * columns, (rows[i]! + 1) * columns), i * columns)
  }
  return picked
}
