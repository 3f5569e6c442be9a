// Both operands of a matmul_matrix tile on their way into workgroup memory: read four at a time, rounded to f16, stored as quads. An
// invocation owns four quads of each operand's step, so that they can wait in registers: STEP is 16 THREADS / TILE.
const THREADS: u32 = LANES * SUBGROUPS;

// Operands keep the direction in which they are stored: a row of a staged tile runs along the depth or across it. 8 places of padding.
const LEFT_ROW: u32 = (select(TILE, STEP, A_ALONG_DEPTH == 1u) + 8u) / 4u; // quads
const RIGHT_ROW: u32 = (select(TILE, STEP, B_ALONG_DEPTH == 1u) + 8u) / 4u;
const LEFT_QUADS: u32 = LEFT_ROW * select(STEP, TILE, A_ALONG_DEPTH == 1u);
const RIGHT_QUADS: u32 = RIGHT_ROW * select(STEP, TILE, B_ALONG_DEPTH == 1u);

var<workgroup> left_tile: array<vec4<f16>, 2u * LEFT_QUADS>;
var<workgroup> right_tile: array<vec4<f16>, 2u * RIGHT_QUADS>;

// Four quads of each operand: an invocation's part of a step.
struct Quads {
  left: array<vec4<f16>, 4>,
  right: array<vec4<f16>, 4>,
}

// What is too large for f16 becomes its largest value; NaN stays NaN.
fn to_half(four: vec4<f32>) -> vec4<f16> {
  let bounded = clamp(four, vec4<f32>(-65504.0), vec4<f32>(65504.0));
  return vec4<f16>(select(four, bounded, abs(four) > vec4<f32>(65504.0)));
}

// Quad `n` of a tile as (line, place in the line), neighbours in memory for neighbouring invocations.
fn quad_place(n: u32, quads_per_line: u32) -> vec2<u32> {
  return vec2<u32>(n / quads_per_line, n % quads_per_line);
}

fn left_quad(place: Place, step: u32, n: u32) -> vec4<f16> {
  let at = quad_place(n, LEFT_ROW - 2u);
  return to_half(left_of_tile(place, step, at.x, 4u * at.y));
}

fn right_quad(place: Place, step: u32, n: u32) -> vec4<f16> {
  let at = quad_place(n, RIGHT_ROW - 2u);
  return to_half(right_of_tile(place, step, at.x, 4u * at.y));
}

fn fetch(place: Place, step: u32, n: u32) -> Quads {
  return Quads(
    array<vec4<f16>, 4>(
      left_quad(place, step, n), left_quad(place, step, n + THREADS),
      left_quad(place, step, n + 2u * THREADS), left_quad(place, step, n + 3u * THREADS)),
    array<vec4<f16>, 4>(
      right_quad(place, step, n), right_quad(place, step, n + THREADS),
      right_quad(place, step, n + 2u * THREADS), right_quad(place, step, n + 3u * THREADS)),
  );
}

fn stage_quad(buffer: u32, n: u32, left: vec4<f16>, right: vec4<f16>) {
  let left_at = quad_place(n, LEFT_ROW - 2u);
  left_tile[buffer * LEFT_QUADS + left_at.x * LEFT_ROW + left_at.y] = left;
  let right_at = quad_place(n, RIGHT_ROW - 2u);
  right_tile[buffer * RIGHT_QUADS + right_at.x * RIGHT_ROW + right_at.y] = right;
}

fn stage(buffer: u32, n: u32, quads: Quads) {
  stage_quad(buffer, n, quads.left[0], quads.right[0]);
  stage_quad(buffer, n + THREADS, quads.left[1], quads.right[1]);
  stage_quad(buffer, n + 2u * THREADS, quads.left[2], quads.right[2]);
  stage_quad(buffer, n + 3u * THREADS, quads.left[3], quads.right[3]);
}
