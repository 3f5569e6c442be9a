// Where a product puts its columns. Layers that read one input may be stored one after the other in W: their outputs then lie one after the
// other too, each a matrix [M, its columns]. A plain product has one part: `second_part` and `third_part` are then `columns`.

// The Lane4 of the output that holds a row's columns column .. column + 3; parts begin at multiples of 4.
fn output_lane4(row: u32, column: u32) -> u32 {
  let is_past_first = column >= params.second_part;
  let is_third = column >= params.third_part;
  let start = select(select(0u, params.second_part, is_past_first), params.third_part, is_third);
  let end = select(select(params.second_part, params.third_part, is_past_first), params.columns, is_third);
  return (params.rows * start + row * (end - start) + column - start) / 4u;
}
