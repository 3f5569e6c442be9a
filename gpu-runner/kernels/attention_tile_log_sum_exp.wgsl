// log_sum_exp[i, h] = ln of the sum over a query's tiles of exp(score), nats, with a running maximum (arXiv 1805.02867).
// One (query, head) an invocation; f32 accumulation.
@group(0) @binding(0) var<storage, read> scores: array<vec4<f32>>; // [heads, tiles, 32, 32]
@group(0) @binding(1) var<storage, read> query_tile_starts: array<u32>; // [query tiles + 1], into the tiles
@group(0) @binding(2) var<storage, read_write> log_sum_exp: array<f32>; // [Q, H], nats, =

@compute @workgroup_size(64)
fn attention_tile_log_sum_exp(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(workgroup, workgroups) * 64u + lane;
  let local_head = index / params.query_count;
  if (local_head >= params.heads) {
    return;
  }
  let row = index % params.query_count;
  let query_tile = row / TILE_SIZE;
  var greatest = SMALLEST;
  var totals = vec4<f32>();
  for (var n = query_tile_starts[query_tile]; n < query_tile_starts[query_tile + 1u]; n++) {
    let start = tile_row(local_head, n, row % TILE_SIZE);
    for (var pack = 0u; pack < PACKS_PER_TILE_ROW; pack++) {
      let four = scores[start + pack];
      let next_greatest = max(greatest, max(max(four.x, four.y), max(four.z, four.w)));
      // Where nothing was visible yet, all differences are 0: the ones this adds are multiplied by 0 at the first real score.
      totals = totals * exp(greatest - next_greatest) + exp(four - next_greatest);
      greatest = next_greatest;
    }
  }
  let total = (totals.x + totals.y) + (totals.z + totals.w);
  log_sum_exp[row * params.head_count + params.first_head + local_head] = greatest + log(total);
}
