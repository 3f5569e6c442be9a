// values *= factors[1]: multiplies by the clip coefficient that clip_coefficient left on the device.
// One pack of four elements an invocation; buffers are padded to whole packs.
struct Params {
  pack_count: u32, // packs of 4 elements
}

@group(0) @binding(0) var<storage, read> clip: array<f32>; // [2]: norm, coefficient
@group(0) @binding(1) var<storage, read_write> values: array<vec4<f32>>; // [packs]
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn scale_by_buffer(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let pack = workgroup_index(workgroup, workgroups) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  values[pack] *= clip[1];
}
