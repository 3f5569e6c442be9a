// The texts of fragments are written out by hand, and only an adapter with subgroup matrices executes them (matrix_emulated stands for
// them elsewhere): each statement is held to what its number says.
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"

function times(count: number, unit: string): string {
  return ["", ` + ${unit}`][count] ?? ` + ${count}u * ${unit}`
}

for (const [rows, columns] of [
  [2, 2],
  [4, 2],
  [4, 4],
] as const) {
  test(`fragments_${rows}x${columns} loads, multiplies and stores every fragment at its own place, once`, () => {
    const file = new URL(`../../../gpu-runner/kernels/common/fragments_${rows}x${columns}.wgsl`, import.meta.url)
    const statements = readFileSync(file, "utf8")
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
