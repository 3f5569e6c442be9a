// A coded matrix is read in loads of four words. The same names are in words_1 and words_2.
alias Words = vec4<u32>;
const WORD_COUNT: u32 = 4u;

fn word_at(words: Words, index: u32) -> u32 {
  return words[index];
}
