// The neighbouring weights of one load of a coded matrix, eight or four, four at a time and without their scale. Stands after the modules
// that decode: words_1, words_2 or words_4, weights_….
const FOURS_PER_LOAD: u32 = WORD_COUNT * CODES_PER_WORD / 4u;

fn four_weights(words: Words, four: u32) -> vec4<f32> {
  let word = 4u * four / CODES_PER_WORD;
  return decode_weights(word_at(words, word), word_at(words, word + 1u), 4u * four % CODES_PER_WORD);
}
