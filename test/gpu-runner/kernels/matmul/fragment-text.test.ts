// Only an adapter with subgroup matrices executes the text of fragments (matrix_emulated stands for it elsewhere): each statement is held
// to what its number says.
import { expect, test } from "vitest"
import { fragmentText } from "#gpu-runner/kernels/matmul/fragment-text.ts"

function times(count: number, unit: string): string {
  return ["", ` + ${unit}`][count] ?? ` + ${count}u * ${unit}`
}

for (const [rows, columns] of [
  [2, 2],
  [4, 2],
  [4, 4],
] as const) {
  test(`the text of ${rows} × ${columns} fragments loads, multiplies and stores every fragment at its own place, once`, () => {
    const statements = fragmentText(rows, columns)
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => /sums\[|load_(left|right)\(|^case|^default/.test(line))
    const numbers = Array.from({ length: rows * columns }, (_, n) => n)
    const rowOf = (n: number) => Math.floor(n / columns)
    const at = (n: number) =>
      `output_at(to, member.row${times(rowOf(n), "MATRIX_ROWS")}, member.column${times(n % columns, "MATRIX_COLUMNS")})`
    const last = rows * columns - 1
    expect(statements).toEqual([
      ...numbers.map((n) => `sums[${n}] = load_output(${at(n)});`),
      ...Array.from(
        { length: rows },
        (_, i) => `let left_${i} = load_left(buffer, member.row${times(i, "MATRIX_ROWS")}, k);`,
      ),
      ...Array.from(
        { length: columns },
        (_, i) => `let right_${i} = load_right(buffer, member.column${times(i, "MATRIX_COLUMNS")}, k);`,
      ),
      ...numbers.map((n) => `sums[${n}] = multiply_add(left_${rowOf(n)}, right_${n % columns}, sums[${n}]);`),
      ...numbers.map((n) => `store_output(${at(n)}, sums[${n}]);`),
      ...numbers.flatMap((n) => [
        n === last ? "default: {" : `case ${n}u: {`,
        `store_fragment(member.subgroup, sums[${n}]);`,
      ]),
    ])
  })
}
