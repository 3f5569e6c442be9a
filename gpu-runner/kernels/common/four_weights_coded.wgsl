// Four neighbouring weights of one load of a coded matrix, the first at code `place` of its word, without their scale. Stands after the
// modules that decode: words_1 or words_2, weights_….
fn four_weights(words: Words, place: u32) -> vec4<f32> {
  return decode_weights(word_at(words, 0u), word_at(words, 1u), place);
}
