// Rows of a vocabulary in segments, a workgroup each: what belongs to a row is loaded once for many Lane4s, and a few long rows still make
// enough workgroups for a GPU.
const SEGMENT_LANES: u32 = 64u;
const SEGMENT_LANE4S: u32 = 1024u; // 16 a lane

struct Segment {
  row: u32,
  first: u32, // Lane4 of the row
  end: u32, // one past the last
}

fn segment_at(index: u32, lane4s_per_row: u32) -> Segment {
  let segments = (lane4s_per_row + SEGMENT_LANE4S - 1u) / SEGMENT_LANE4S;
  let first = index % segments * SEGMENT_LANE4S;
  return Segment(index / segments, first, min(first + SEGMENT_LANE4S, lane4s_per_row));
}
