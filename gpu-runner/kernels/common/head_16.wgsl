// Head size up to 16: registers for 4 packs of four. Smaller heads leave the rest at zero.
const HEAD_PACKS: u32 = 4u;
