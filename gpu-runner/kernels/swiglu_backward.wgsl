// d_gate = d_output * up * s * (1 + gate * (1 - s)), d_up = d_output * gate * s, with s = 1 / (1 + exp(-gate)).
// One pack of four elements an invocation; buffers are padded to whole packs.
struct Params {
  pack_count: u32, // packs of 4 elements
}

@group(0) @binding(0) var<storage, read> gate: array<vec4<f32>>; // [packs]
@group(0) @binding(1) var<storage, read> up: array<vec4<f32>>; // [packs]
@group(0) @binding(2) var<storage, read> d_output: array<vec4<f32>>; // [packs]
@group(0) @binding(3) var<storage, read_write> d_gate: array<vec4<f32>>; // [packs], =
@group(0) @binding(4) var<storage, read_write> d_up: array<vec4<f32>>; // [packs], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn swiglu_backward(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let pack = workgroup_index(workgroup, workgroups) * 64u + lane;
  if (pack >= params.pack_count) {
    return;
  }
  let x = gate[pack];
  let upstream = d_output[pack];
  let sigmoid = 1.0 / (1.0 + exp(-max(x, vec4<f32>(-80.0))));
  d_gate[pack] = upstream * up[pack] * sigmoid * (1.0 + x * (1.0 - sigmoid));
  d_up[pack] = upstream * x * sigmoid;
}
