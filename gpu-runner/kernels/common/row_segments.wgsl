// Rows of a vocabulary in segments, a workgroup each: what belongs to a row is loaded once for many packs, and a few long rows still make
// enough workgroups for a GPU.
const SEGMENT_LANES: u32 = 64u;
const SEGMENT_PACKS: u32 = 1024u; // 16 a lane

fn segments_per_row(packs_per_row: u32) -> u32 {
  return (packs_per_row + SEGMENT_PACKS - 1u) / SEGMENT_PACKS;
}
