// A coded matrix is read in loads of two words. The same names are in words_1 and words_4.
alias Words = vec2<u32>;
const WORD_COUNT: u32 = 2u;

fn word_at(words: Words, index: u32) -> u32 {
  return words[index];
}
