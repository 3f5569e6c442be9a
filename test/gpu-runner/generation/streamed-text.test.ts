// Text in pieces: together they are the whole's text, no piece has half a character, and nothing of a stop string gets out.
import fc from "fast-check"
import { expect, test } from "vitest"
import { responseText } from "#gpu-runner/generation/response-text.ts"
import { StreamedText } from "#gpu-runner/generation/streamed-text.ts"
import { decoderOf } from "#shared/tokenisation/encoder/decoders.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { byteIds, EOS, tokenizerConfigJson, tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const byteLevel = Tokenisation.fromFiles({ tokenizerJson: tokenizerJson(), tokenizerConfigJson })

/** As Llama 2 writes text: words with their space as ▁, characters that are no word as bytes, a text's first space dropped. */
const WORDS = ["▁tea", "▁", "a", "END", "▁park", "é"]
const byteFallback = {
  decode: (ids: ArrayLike<number>) =>
    decode(
      Array.from(ids, (id) => (id < 256 ? `<0x${id.toString(16).padStart(2, "0").toUpperCase()}>` : WORDS[id - 256]!)),
    ).join(""),
}
const decode = decoderOf({
  type: "Sequence",
  decoders: [
    { type: "Replace", pattern: { String: "▁" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    { type: "Strip", content: " ", start: 1, stop: 0 },
  ],
})!

type Decoding = Pick<Tokenisation, "decode">

function piecesOf(tokenisation: Decoding, promptIds: Uint32Array, ids: readonly number[], stops: readonly string[]) {
  const streamed = new StreamedText(tokenisation, promptIds, stops)
  const pieces: string[] = []
  let said = 0
  while (said < ids.length && !streamed.isStopped) {
    said += 1
    streamed.take(ids.slice(0, said))
    pieces.push(streamed.release())
  }
  pieces.push(streamed.finish(ids.slice(0, said)))
  return { pieces, said }
}

function expectWhole(tokenisation: Decoding, promptIds: Uint32Array, ids: readonly number[], stops: readonly string[]) {
  const { pieces, said } = piecesOf(tokenisation, promptIds, ids, stops)
  const whole = responseText(tokenisation, promptIds, stops).textOf(ids.slice(0, said))
  expect(pieces.join("")).toBe(whole)
  for (const piece of pieces) expect(piece.isWellFormed()).toBe(true)
  return { pieces, whole }
}

const stops = fc.array(fc.constantFrom("END", "\n\n", "tea tea", "😀b", "aab"), { maxLength: 3 })
const text = fc
  .array(fc.constantFrom("tea", " tea", "E", "END", "\n", "a", "b", "😀", "é", "茶", " ", "\uFFFD"), { maxLength: 30 })
  .map((parts) => parts.join(""))
const prompt = fc.constantFrom("", "Tea?", "茶", "<|user|>")

test("whatever is said, pieces are the whole's text, cut before the first stop string", () => {
  fc.assert(
    fc.property(prompt, text, stops, (asked, said, ends) => {
      const ids = [...byteIds(said), EOS]
      const { whole } = expectWhole(byteLevel, byteLevel.tokenisePrompt(asked), ids, ends)
      if (ends.length === 0) expect(whole).toBe(said)
    }),
  )
})

test("bytes that are no characters come out as the whole has them", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 264 }), { maxLength: 60 }), stops, (ids, ends) => {
      expectWhole(byteLevel, byteLevel.tokenisePrompt("Tea?"), ids, ends)
    }),
  )
})

test("of a tokenizer with bytes for what it has no word for, spaces and characters are the whole's", () => {
  const utf8 = (character: string) => [...new TextEncoder().encode(character)]
  const token = fc.oneof(
    fc.integer({ min: 256, max: 255 + WORDS.length }).map((id) => [id]),
    fc.constantFrom("😀", "茶", "\n").map(utf8),
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 20 }), fc.array(token, { maxLength: 4 }), stops, (said, asked, ends) => {
      expectWhole(byteFallback, Uint32Array.from(asked.flat()), said.flat(), ends)
    }),
  )
})

test("a character of four tokens comes in one piece, when its last byte is there", () => {
  const { pieces } = piecesOf(byteLevel, byteLevel.tokenisePrompt("?"), byteIds("a😀b"), [])
  expect(pieces).toEqual(["a", "", "", "", "😀", "b", ""])
})

test("what may begin a stop string waits until it is known not to, and the stop string itself never comes", () => {
  expect(piecesOf(byteLevel, new Uint32Array(1), byteIds("xENxE"), ["END"]).pieces).toEqual([
    "x",
    "",
    "",
    "ENx",
    "",
    "E",
  ])
  expect(piecesOf(byteLevel, new Uint32Array(1), byteIds("xENDy"), ["END"])).toEqual({
    pieces: ["x", "", "", "", ""],
    said: 4,
  })
})

test("each token knows how many characters were before it", () => {
  const streamed = new StreamedText(byteLevel, new Uint32Array(1), [])
  const ids = byteIds("é😀z")
  streamed.take(ids)
  expect(ids.map((_, index) => streamed.offsetOf(index))).toEqual([0, 0, 1, 1, 1, 1, 3])
})
