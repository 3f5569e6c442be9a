// The text of a response: what it adds to its prompt, without special tokens, and cut before the first stop string.
import { expect, test } from "vitest"
import { responseText } from "#gpu-runner/generation/response-text.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { tokenizerConfigJson, tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const tokenisation = Tokenisation.fromFiles({
  tokenizerJson: tokenizerJson(),
  tokenizerConfigJson,
})
const promptIds = tokenisation.tokenisePrompt("Tea?")
const [endId] = tokenisation.endTokenIds
const said = (text: string) => tokenisation.encode(text)

test("the text is that of the tokens, and the end of the turn has none", () => {
  const { textOf } = responseText(tokenisation, promptIds, [])
  expect(textOf([...said(" Yes, 茶."), endId!])).toBe(" Yes, 茶.")
})

test("a response is stopped by the token that completes a stop string, not before, and its text ends before it", () => {
  const { isStopped, textOf } = responseText(tokenisation, promptIds, ["\n\n", "END"])
  const ids = said("one\n\ntwo END")
  const stoppedAt = ids.findIndex((_, index) => isStopped(ids.slice(0, index + 1)))
  expect(textOf(ids.slice(0, stoppedAt + 1))).toBe("one")
  expect(tokenisation.decode(ids.slice(0, stoppedAt + 1))).toContain("\n\n")
  expect(tokenisation.decode(ids.slice(0, stoppedAt))).not.toContain("\n\n")
})

test("a stop string late in a long response is found, and one of the prompt does not count", () => {
  const { isStopped, textOf } = responseText(tokenisation, promptIds, ["Tea?"])
  const long = "a long answer ".repeat(40)
  const ids = said(`${long}Tea?`)
  expect(ids.findIndex((_, index) => isStopped(ids.slice(0, index + 1)))).toBe(ids.length - 1)
  expect(textOf(ids)).toBe(long)
})

test("of a tokenizer that drops a text's first space, a response keeps its own", () => {
  const words = ["", "▁a", "▁b"]
  const decode = (ids: ArrayLike<number>) =>
    Array.from(ids, (id) => words[id])
      .join("")
      .replaceAll("▁", " ")
      .slice(1)
  expect(responseText({ decode }, Uint32Array.of(1), []).textOf([2, 1])).toBe(" b a")
})
