// A workgroup is exactly one subgroup of ROW_LANES lanes and owns one row: reductions need neither barrier nor workgroup
// memory. On a software adapter a barrier tree is twenty times slower. Only for adapters whose subgroup size is fixed.
override ROW_LANES: u32 = 8u;

fn row_sum(value: f32, lane: u32) -> f32 {
  return subgroupAdd(value);
}

fn row_max(value: f32, lane: u32) -> f32 {
  return subgroupMax(value);
}

fn row_sum3(value: vec3<f32>, lane: u32) -> vec3<f32> {
  return subgroupAdd(value);
}
