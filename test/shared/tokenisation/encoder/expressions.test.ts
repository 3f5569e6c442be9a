// Oniguruma's expressions: each cuts as in the Rust library, or is refused; none is taken for something else.
import fc from "fast-check"
import { Tokenizer } from "tokenizers"
import { expect, test } from "vitest"
import { Encoder } from "#shared/tokenisation/encoder/encoder.ts"
import { anyText } from "./texts.ts"
import { tokenizer } from "./tokenizers.ts"
import { byteLevelModel } from "./vocabularies.ts"

const model = byteLevelModel()
const bytesOnly = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false }
const splitting = (Regex: string, behavior: string) =>
  tokenizer(model, {
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [{ type: "Split", pattern: { Regex }, behavior, invert: false }, bytesOnly],
    },
  })

const TEXTS = [
  ...fc.sample(anyText, { numRuns: 120, seed: 3 }),
  ...["line one\nline two\n\nthree\n", "aab abb bcd ad bc", "k K \u212a ſ s S ß SS", "12345678 1234", "a \n\n b  "],
  ...["\u0000\u001b\u0007{}[]-_/<>", "x{2} a{ a{1 xx", "testing tttt tea", "don'ſ IT'S we'LL"],
]

const KNOWN = [
  ...[".", ".+", "^.", "$", "^", "\\A.", ".\\z", ".\\Z", "\\bt", "t\\B", "\\b\\w+\\b", "a|b|", "a$|b", "^t|e$"],
  ...[
    "\\p{L}++",
    "\\p{L}++t",
    "(?>\\p{L}+)t",
    "\\s++$",
    "\\s*+\\n",
    "a?+a",
    "\\p{L}{1,3}+",
    "[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+",
    "(?:(?>t+)|e)*n",
  ],
  ...["\\d{2,}?", "\\d{,2}", "a{,2}b", "x{2}", "\\p{L}+?", "a*?", "\\p{L}{2,3}?", "a{", "a{1", "}", "]", "x*", "(?=o)"],
  ...[
    "\\x{8336}",
    "\\u8336",
    "[\\x00-\\x7f]+",
    "\\t",
    "\\e",
    "\\a",
    "\\v",
    "\\f",
    "\\-",
    "\\_",
    "\\/",
    "\\ ",
    "\\<",
    "\\h",
  ],
  ...[
    "[\\p{L}\\p{M}]+",
    "\\P{L}+",
    "[^\\P{L}a]+",
    "[[:alpha:]]+",
    "[[:space:]]",
    "[^[:space:]]+",
    "\\p{Greek}+",
    "\\p{Lu}\\p{Ll}*",
  ],
  ...[
    "[\\w']+",
    "[^\\w\\s]",
    "[]a]",
    "[^]a]",
    "[|]",
    "[.]",
    "[a-]",
    "[-a]",
    "[ab[cd]e]+",
    "[^(\\s|[.,!?])]+",
    "[一-龥]+",
  ],
  ...[
    "(?<=a)b",
    "(?<!a)b",
    "(?<=a|bc)d",
    "(\\p{L})\\s",
    "(?<name>a)b",
    "\\d{1,3}(?=(?:\\d{3})*\\b)",
    "(?:\\r?\\n)+(?!\\r?\\n)",
  ],
  ...[
    "(?i:'s|'t|'re)",
    "'(?i:[sdmt]|ll|ve|re)",
    "(?i:[a-z])+",
    "(?i:[^a-z])+",
    "(?i:[^s])+",
    "(?i:k)",
    "(?i:zork\\d?)",
    "(?i:[0-9a])",
  ],
]

test.each(KNOWN)("%s cuts as in the Rust library", async (source) => {
  for (const behavior of ["Isolated", "Removed"]) {
    const json = splitting(source, behavior)
    const rust = Tokenizer.fromString(JSON.stringify(json))
    const encoder = new Encoder(json)
    for (const text of TEXTS) {
      const expected = (await rust.encode(text, null, { addSpecialTokens: false })).getIds()
      expect({ text, ids: encoder.encode(text) }).toEqual({ text, ids: expected })
    }
  }
})

const REFUSED = [
  ...[
    "\\R",
    "\\X",
    "\\G\\p{L}",
    "\\K",
    "\\N",
    "\\O",
    "\\M-a",
    "\\cA",
    "\\0",
    "\\é",
    "(\\p{L})\\1",
    "(?<a>b)\\k<a>",
    "\\g<1>(a)",
  ],
  ...[
    "(?m:.+)",
    "(?s:.)",
    "(?x) a b",
    "(?#c)a",
    "(?~b)",
    "(?(1)a|b)",
    "(?-i:a)",
    "(?W:\\w)",
    "(?P<n>a)",
    "(",
    "*a",
    "a**",
    "a+*",
  ],
  ...["(?i:ss)", "(?i:aﬃ)", "(?i:ffi)", "(?i)é", "(?i:\\p{Lu})", "(?i:[à-ý])", "(?i:[a-f])", "(?i:\\w)", "(?<=(?>a))b"],
  ...["[a-z&&[^aeiou]]", "[a[^b]]", "[[:^alpha:]]", "[[:upper:]]", "[a-\\d]", "[\\d-a]", "[\\W]", "[\\b]", "[a"],
  ...[
    "\\p{^L}",
    "\\p{Alpha}",
    "\\p{Emoji}",
    "\\p{Extended_Pictographic}",
    "\\p{InBasicLatin}",
    "\\p{Script=Greek}",
    "\\p{C}",
  ],
]

test.each(REFUSED)("%s is refused by name", (source) => {
  const json = splitting(source, "Isolated")
  expect(() => new Encoder(json)).toThrow(`tokenizer.json has the regular expression ${JSON.stringify(source)}`)
})
