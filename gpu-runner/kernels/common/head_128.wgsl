// Head size up to 128: registers for 32 packs of four. Smaller heads leave the rest at zero.
const HEAD_PACKS: u32 = 32u;
