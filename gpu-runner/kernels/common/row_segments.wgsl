// Rows of a vocabulary in segments, a workgroup each: what belongs to a row is loaded once for many packs, and a few long rows still make
// enough workgroups for a GPU.
const SEGMENT_LANES: u32 = 64u;
const SEGMENT_PACKS: u32 = 1024u; // 16 a lane

struct Segment {
  row: u32,
  first: u32, // pack of the row
  end: u32, // one past the last
}

fn segment_at(index: u32, packs_per_row: u32) -> Segment {
  let segments = (packs_per_row + SEGMENT_PACKS - 1u) / SEGMENT_PACKS;
  let first = index % segments * SEGMENT_PACKS;
  return Segment(index / segments, first, min(first + SEGMENT_PACKS, packs_per_row));
}
