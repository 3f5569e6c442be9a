// For weights that are decoded by arithmetic alone; weights_nf4_subgroup8 has a prepare_weights of its own.
fn prepare_weights(lane: u32) {
}
