// The WGSL of a subgroup's fragments for matmul_matrix.wgsl: each by a constant index, because an array of subgroup matrices has to stay in
// registers, and a driver that does not unroll a loop over it would put it into memory. Needs matrix_native.

/** `base`, or `base` and `n` of `size` after it. */
function place(base: string, n: number, size: string): string {
  if (n === 0) return base
  return `${base} + ${n === 1 ? "" : `${n}u * `}${size}`
}

const row = (n: number) => place("member.row", n, "MATRIX_ROWS")
const column = (n: number) => place("member.column", n, "MATRIX_COLUMNS")

/** Fragments of `rows` × `columns`, row after row: zero or load them, multiply one step, store them, and stage one on its way to the edge. */
export function fragmentText(rows: number, columns: number): string {
  const downs = Array.from({ length: rows }, (_, i) => i)
  const acrosses = Array.from({ length: columns }, (_, j) => j)
  const places = downs.flatMap((i) => acrosses.map((j) => ({ i, j, n: i * columns + j })))
  const at = (i: number, j: number) => `output_at(to, ${row(i)}, ${column(j)})`
  return `alias Sums = array<Sum, FRAGMENT_ROWS * FRAGMENT_COLUMNS>; // row after row of fragments

// Zeros, or what the output holds where fragments are added to it directly.
fn first_sums(to: Target, member: Member) -> Sums {
  var sums: Sums;
  if (to.is_direct && params.accumulate != 0u) {
${places.map(({ i, j, n }) => `    sums[${n}] = load_output(${at(i, j)});`).join("\n")}
  }
  return sums;
}

// sums += the products of one step of MATRIX_DEPTH, at depth \`k\` of the staged tiles.
fn multiply_fragments(sums: ptr<function, Sums>, buffer: u32, member: Member, k: u32) {
${downs.map((i) => `  let left_${i} = load_left(buffer, ${row(i)}, k);`).join("\n")}
${acrosses.map((j) => `  let right_${j} = load_right(buffer, ${column(j)}, k);`).join("\n")}
${places.map(({ i, j, n }) => `  sums[${n}] = multiply_add(left_${i}, right_${j}, sums[${n}]);`).join("\n")}
}

fn store_fragments(to: Target, member: Member, sums: ptr<function, Sums>) {
${places.map(({ i, j, n }) => `  store_output(${at(i, j)}, sums[${n}]);`).join("\n")}
}

// The n-th one to \`fragments\`; n is the same for the whole workgroup.
fn stage_nth_fragment(n: u32, member: Member, sums: ptr<function, Sums>) {
  switch n {
${places
  .map(({ n }) => {
    const label = n === places.length - 1 ? "default" : `case ${n}u`
    return `    ${label}: {\n      store_fragment(member.subgroup, sums[${n}]);\n    }`
  })
  .join("\n")}
  }
}
`
}
