// Weights in f32, by the names that coded ones have (four_weights_coded and the modules that it needs): a load is four.
alias Words = vec4<f32>;
const FOURS_PER_LOAD: u32 = 1u;
const HAS_SCALES: bool = false;

fn prepare_weights(lane: u32) {
}

fn four_weights(words: Words, four: u32) -> vec4<f32> {
  return words;
}
