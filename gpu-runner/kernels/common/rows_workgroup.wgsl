// A workgroup of ROW_LANES lanes (a power of two) owns one row and reduces through workgroup memory: for adapters without
// subgroups, or whose subgroup size varies. Same names as rows_subgroup. Call in workgroup-uniform control flow.
override ROW_LANES: u32 = 64u;

var<workgroup> row_partials: array<f32, ROW_LANES>;
var<workgroup> row_partials3: array<vec3<f32>, ROW_LANES>;

fn row_sum(value: f32, lane: u32) -> f32 {
  row_partials[lane] = value;
  for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      row_partials[lane] += row_partials[lane + half];
    }
  }
  let total = workgroupUniformLoad(&row_partials[0]);
  workgroupBarrier();
  return total;
}

fn row_max(value: f32, lane: u32) -> f32 {
  row_partials[lane] = value;
  for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      row_partials[lane] = max(row_partials[lane], row_partials[lane + half]);
    }
  }
  let greatest = workgroupUniformLoad(&row_partials[0]);
  workgroupBarrier();
  return greatest;
}

// Three sums by one tree.
fn row_sum3(value: vec3<f32>, lane: u32) -> vec3<f32> {
  row_partials3[lane] = value;
  for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      row_partials3[lane] += row_partials3[lane + half];
    }
  }
  let total = workgroupUniformLoad(&row_partials3[0]);
  workgroupBarrier();
  return total;
}
