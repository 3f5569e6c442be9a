// A coded matrix is read in loads of one word. The same names are in words_2 and words_4.
alias Words = u32;
const WORD_COUNT: u32 = 1u;

fn word_at(words: Words, index: u32) -> u32 {
  return words;
}
