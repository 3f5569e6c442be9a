// Head size up to 256: registers for 64 packs of four. Smaller heads leave the rest at zero.
const HEAD_PACKS: u32 = 64u;
