// slots[first_slot + s] [M, N] = scale * sum over the tokens t of segment s of left[t]^T right[t]: the gradient of a low-rank matrix,
// one for each of the laid-out rows. M and N are multiples of 4; row_products_any.wgsl takes other sizes.
// An invocation owns 8 x 8 elements of a slot and walks its segment: four loads for 64 multiplications. f32 accumulation in order.
// with: grid
struct Params {
  segment_count: u32,
  left_lane4s: u32, // M / 4
  right_lane4s: u32, // N / 4
  first_slot: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> left: array<vec4<f32>>; // [T, M]
@group(0) @binding(1) var<storage, read> right: array<vec4<f32>>; // [T, N]
@group(0) @binding(2) var<storage, read> starts: array<u32>; // [segments + 1]
@group(0) @binding(3) var<storage, read_write> slots: array<vec4<f32>>; // [S, M, N], =
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn row_products(grid: Grid, @builtin(local_invocation_index) lane: u32) {
  let index = workgroup_index(grid) * 64u + lane;
  let left_blocks = (params.left_lane4s + 1u) / 2u;
  let right_blocks = (params.right_lane4s + 1u) / 2u;
  let segment = index / (left_blocks * right_blocks);
  if (segment >= params.segment_count) {
    return;
  }
  let block = index % (left_blocks * right_blocks);
  let left_lane4 = 2u * (block / right_blocks);
  let right_lane4 = 2u * (block % right_blocks);
  // At an edge the second Lane4 is the first once more, and is not stored.
  let left_second = min(left_lane4 + 1u, params.left_lane4s - 1u);
  let right_second = min(right_lane4 + 1u, params.right_lane4s - 1u);
  var first: array<vec4<f32>, 8>; // the 8 rows' first Lane4s
  var second: array<vec4<f32>, 8>;
  let end = starts[segment + 1u];
  for (var token = starts[segment]; token < end; token++) {
    let a = left[token * params.left_lane4s + left_lane4];
    let b = left[token * params.left_lane4s + left_second];
    let c = right[token * params.right_lane4s + right_lane4];
    let d = right[token * params.right_lane4s + right_second];
    first[0] += a.x * c;
    first[1] += a.y * c;
    first[2] += a.z * c;
    first[3] += a.w * c;
    first[4] += b.x * c;
    first[5] += b.y * c;
    first[6] += b.z * c;
    first[7] += b.w * c;
    second[0] += a.x * d;
    second[1] += a.y * d;
    second[2] += a.z * d;
    second[3] += a.w * d;
    second[4] += b.x * d;
    second[5] += b.y * d;
    second[6] += b.z * d;
    second[7] += b.w * d;
  }
  let rows = min(8u, 4u * (params.left_lane4s - left_lane4));
  let start = ((params.first_slot + segment) * 4u * params.left_lane4s + 4u * left_lane4) * params.right_lane4s;
  for (var row = 0u; row < rows; row++) {
    let at = start + row * params.right_lane4s + right_lane4;
    slots[at] = params.scale * first[row];
    if (right_second != right_lane4) {
      slots[at + 1u] = params.scale * second[row];
    }
  }
}
