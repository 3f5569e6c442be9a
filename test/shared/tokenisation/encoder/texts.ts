// Texts for the differential test: fragments that tokenizers treat specially, in any order, and any Unicode between them.
import fc from "fast-check"

const WORDS = [
  "tea",
  "the",
  "that",
  "Zork",
  "Zorks",
  "day",
  "Day",
  "don't",
  "IT'S",
  "we'll",
  "'ſ",
  "\u212a",
  "ßſs",
  "naïve",
  "STRASSE",
  "ß",
  "İ",
  "ΑΣ",
]
const SPACES = [
  " ",
  "  ",
  "   ",
  "\n",
  "\n\n",
  "\r\n",
  "\t",
  "\u00a0",
  "\u0085",
  "\u3000",
  "\u2028",
  "\u200b",
  "\ufeff",
]
const NUMBERS = ["1", "42", "1234567", "٣٤", "½", "Ⅷ", "²", "3.14"]
const SIGNS = [".", "...", "!?", "…", "。", "،", "«", "_", "-", "'", '"', "€", "+", "\\", "/", "[", "]"]
const SCRIPTS = [
  "茶",
  "日本語",
  "한국어",
  "ไทย",
  "हिन्दी",
  "مرحبا",
  "שלום",
  "Ω",
  "ﬁ",
  "Ａ",
  "e\u0301",
  "\u0301",
  "각",
  "\u1100\u1161",
]
const EMOJI = ["🙂", "👩‍👩‍👧", "🇩🇪", "👍🏽", "❤️", "\u200d", "\ufe0f"]
const CONTROLS = ["\u0000", "\u0001", "\u0007", "\u001b", "\u007f", "\u009f", "\ufffd", "\ufffe", "\ud83d", "\ude42"]
const TOKENS = [
  "<s>",
  "</s>",
  "<unk>",
  "<s",
  "</",
  ">",
  "<|user|>",
  "<|user|",
  "<pad>",
  "[X]",
  "##",
  "<r>",
  "<l>",
  "<lr>",
  "<0x0A>",
  "<0x",
  "▁",
  "▁▁",
  "Ġ",
  "Ċ",
]
const NEW = ["\u1acf", "\u088f", "\u{10940}", "\u{11de0}", "\u{1faea}", "\u{105c9}", "\u{11385}", "ʕ", "\u{16d68}"]
const LETTERS = [..."abcdehinorstyABZ019.,:'_- é"]
const NUMBERED = Array.from(
  { length: 24 },
  (_, bits) => ["<|user|>", "Zork", "<pad>", "day", "[X]", "tea", "  ", "##"][bits % 8] + String(bits + 8),
)

const fragment = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 1, maxLength: 12 }) },
  { weight: 4, arbitrary: fc.constantFrom(...SPACES) },
  { weight: 3, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 3, arbitrary: fc.constantFrom(...TOKENS, ...NUMBERED) },
  { weight: 2, arbitrary: fc.constantFrom(...NUMBERS, ...SIGNS) },
  { weight: 2, arbitrary: fc.constantFrom(...SCRIPTS, ...EMOJI) },
  { weight: 1, arbitrary: fc.constantFrom(...CONTROLS, ...NEW) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }) },
)

/** Any text, often with what tokenizers look for. */
export const anyText = fc.array(fragment, { maxLength: 14 }).map((fragments) => fragments.join(""))
