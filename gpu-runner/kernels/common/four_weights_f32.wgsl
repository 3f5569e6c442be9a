// Weights in f32, by the names that coded ones have (four_weights_coded and the modules that it needs).
alias Words = vec4<f32>;
const WORD_COUNT: u32 = 4u;
const CODES_PER_WORD: u32 = 1u;
const HAS_SCALES: bool = false;

fn prepare_weights(lane: u32) {
}

fn four_weights(words: Words, place: u32) -> vec4<f32> {
  return words;
}
