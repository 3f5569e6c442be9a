// Head size up to 64: registers for 16 packs of four. Smaller heads leave the rest at zero.
const HEAD_PACKS: u32 = 16u;
