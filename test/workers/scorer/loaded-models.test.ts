// What an isolate keeps of tokenizers: as many as fit together, those that were used last.
import { expect, it } from "vitest"
import { notesOf } from "#shared/formats/onnx/graph-file.ts"
import { EDGE_TOKENIZER_BYTES } from "#shared/tokenisation/encoder/tokenizer-memory.ts"
import { LoadedModels, type Tokeniser } from "#workers/scorer/LoadedModels.ts"
import { tinyTokenisation } from "./tiny-model.ts"
import { model } from "./world.ts"

const tokeniser = (share: number): Tokeniser => ({
  tokenisation: tinyTokenisation(),
  ...{ tokenizerDigest: "", referenceFingerprint: "", maxPositions: 256, bytes: EDGE_TOKENIZER_BYTES * share },
  ...{ config: model.config, graph: notesOf(new Uint8Array(0)) },
})

const namesOf = (loaded: LoadedModels, names: string): string =>
  [...names].filter((name) => loaded.tokeniser(name) !== undefined).join("")

it("tokenizers are kept as long as they fit together; the one that was not used for longest goes first", () => {
  const loaded = new LoadedModels()
  for (const name of "abcd") loaded.keepTokeniser(name, tokeniser(0.25))
  expect(namesOf(loaded, "abcd")).toBe("abcd")
  loaded.tokeniser("a")
  loaded.keepTokeniser("e", tokeniser(0.25))
  expect(namesOf(loaded, "abcde")).toBe("acde")
  loaded.keepTokeniser("f", tokeniser(0.5))
  expect(namesOf(loaded, "abcdef")).toBe("def")
  loaded.keepTokeniser("g", tokeniser(1))
  expect(namesOf(loaded, "abcdefg")).toBe("g")
})

it("room is made before a tokenizer is read, and no more than it needs", () => {
  const loaded = new LoadedModels()
  for (const name of "ab") loaded.keepTokeniser(name, tokeniser(0.4))
  loaded.makeRoom(EDGE_TOKENIZER_BYTES * 0.2)
  expect(namesOf(loaded, "ab")).toBe("ab")
  loaded.makeRoom(EDGE_TOKENIZER_BYTES * 0.3)
  expect(namesOf(loaded, "ab")).toBe("b")
})

it("one event loads at a time, and one that broke off holds up the others for a minute", () => {
  const loaded = new LoadedModels()
  expect([loaded.beginLoad(0), loaded.beginLoad(1), loaded.beginLoad(59_999)]).toEqual([60_000, undefined, undefined])
  expect(loaded.beginLoad(60_000)).toBe(120_000)
  loaded.endLoad(120_000)
  expect(loaded.beginLoad(60_001)).toBe(120_001)
})

it("an event that loads for more than its minute ends no other's load", () => {
  const loaded = new LoadedModels()
  const [first, second] = [loaded.beginLoad(0)!, loaded.beginLoad(60_000)!]
  loaded.endLoad(first)
  expect(loaded.beginLoad(60_001)).toBeUndefined()
  loaded.endLoad(second)
  expect(loaded.beginLoad(60_002)).toBe(120_002)
})
