// Every code point through each class and each normal form, here and in the Rust library, whose tables are of other versions.
// The full run takes all that are assigned; otherwise one in 64 of the large scripts, as always of what is not assigned.
import { Tokenizer } from "tokenizers"
import { expect, test } from "vitest"
import { Encoder } from "#shared/tokenisation/encoder/encoder.ts"
import { isFullRun } from "#test/full-run.ts"
import { byteCharacters, byteLevelModel } from "./vocabularies.ts"

const LARGE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Tangut}\p{Script=Egyptian_Hieroglyphs}\p{Script=Cuneiform}\p{Script=Yi}]/u
const isTaken = (code: number) => {
  const character = String.fromCodePoint(code)
  return code % 64 === 0 || !(/[\p{Cn}\p{Co}]/u.test(character) || (!isFullRun && LARGE.test(character)))
}
const CODE_POINTS = Array.from({ length: 0x110000 }, (_, code) => code).filter(
  (code) => (code < 0xd800 || code > 0xdfff) && isTaken(code),
)
const TIMEOUT_MS = isFullRun ? 300_000 : 30_000
const CHUNK = 4096
const model = byteLevelModel({ merges: [] })
const bytesOnly = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false }
const tokenizer = (parts: object) => ({
  ...{ version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null },
  ...{ post_processor: null, decoder: null, model },
  ...parts,
})

/** Texts that hold every code point, each between two others. */
function* texts(around: (character: string) => string) {
  for (let start = 0; start < CODE_POINTS.length; start += CHUNK) {
    yield CODE_POINTS.slice(start, start + CHUNK)
      .map((code) => around(String.fromCodePoint(code)))
      .join("")
  }
}

async function expectSame(parts: object, around: (character: string) => string) {
  const json = tokenizer(parts)
  const rust = Tokenizer.fromString(JSON.stringify(json))
  const encoder = new Encoder(json)
  for (const text of texts(around)) {
    const { length, ...ids } = (await rust.encode(text, null, { addSpecialTokens: false })).getIds()
    const ours = encoder.encode(text)
    const at = ours.findIndex((id, index) => id !== ids[index])
    expect({ at, length: ours.length }).toEqual({ at: -1, length })
  }
}

// Each character between a letter and a mark of class 1, behind a mark of class 240: reordered where its own class is known.
const amongMarks = (character: string) => `a\u0345${character}\u0334 `
test.each(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"])(
  "%s of every code point",
  async (type) => {
    await expectSame({ normalizer: { type }, pre_tokenizer: bytesOnly }, amongMarks)
  },
  TIMEOUT_MS,
)

// What is removed tells members of a class from others.
const PROPERTIES = isFullRun
  ? "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp Cc Alphabetic " +
    "Han Hiragana Katakana Hangul Latin Greek Cyrillic Arabic Hebrew Thai"
  : "L Lu Ll Lm Lo M N P S Han"
const CLASSES = [
  ...PROPERTIES.split(" ").map((name) => `\\p{${name}}`),
  ...(isFullRun ? ["[\\w]", "\\d", "\\h", "[[:alpha:]]", "[[:punct:]]", "(?i:k)", "(?i:s|')", "."] : []),
  ...["\\s", "\\w"],
]
test.each(CLASSES)(
  "%s of every code point",
  async (Regex) => {
    const removing = { type: "Split", pattern: { Regex }, behavior: "Removed", invert: false }
    await expectSame(
      { pre_tokenizer: { type: "Sequence", pretokenizers: [removing, bytesOnly] } },
      (character) => `${character} `,
    )
  },
  TIMEOUT_MS,
)

// "a" makes one token with any byte behind it, unless they are cut apart.
const pairs = byteCharacters().map((byte): [string, string] => ["a", byte])
const withPairs = byteLevelModel({
  vocab: Object.fromEntries(
    [...byteCharacters(), ...pairs.map((pair) => pair.join(""))].map((token, id) => [token, id]),
  ),
  merges: pairs,
})
const CUTTING = [
  { type: "Digits", individual_digits: true },
  { type: "Punctuation", behavior: "Removed" },
  { type: "Whitespace" },
  { type: "WhitespaceSplit" },
  { type: "BertPreTokenizer" },
]
test.each(CUTTING)(
  "$type of every code point",
  async (part) => {
    const parts = { pre_tokenizer: { type: "Sequence", pretokenizers: [part, bytesOnly] } }
    await expectSame({ ...parts, model: withPairs }, (character) => `a${character}b a`)
  },
  TIMEOUT_MS,
)
