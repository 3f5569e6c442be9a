// Head size up to 32: registers for 8 packs of four. Smaller heads leave the rest at zero.
const HEAD_PACKS: u32 = 8u;
