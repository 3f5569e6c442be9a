// What llama.cpp makes of texts with the tokenizers that `yohaku export --format gguf` writes for it: the ids that are ours.
import path from "node:path"
import fc from "fast-check"
import { afterAll, describe, expect, test } from "vitest"
import { LLAMA_CPP_MISSING } from "#gpu-runner/bench/llama-cpp.ts"
import { writeGgufModel } from "#gpu-runner/data/model/gguf-model.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { isFullRun } from "#test/full-run.ts"
import { openLlamaCpp } from "#test/gpu-runner/support/llama-cpp.ts"
import { createWorkspace, TINY_FIELDS, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { SMALL_LLAMA_FIELDS } from "#test/reference/random-decoder.ts"
import { anyText } from "#test/shared/tokenisation/encoder/texts.ts"
import { BYTE_LEVEL, CONFIG, PIECES, rowsFor } from "#test/shared/tokenisation/gguf/tokenizers.ts"

const workspace = createWorkspace()
const llama = await openLlamaCpp()
afterAll(async () => {
  await llama?.dispose()
  workspace.remove()
})

const RUNS = isFullRun ? 3000 : 150

/** A model of a few weights with this tokenizer, as llama.cpp loads it, and our own tokenisation. */
async function withTokenizer(
  name: string,
  tokenizer: Parameters<typeof rowsFor>[0],
  check: (ours: (text: string) => string, theirs: (text: string) => string) => void,
): Promise<void> {
  const fields = { ...SMALL_LLAMA_FIELDS, ...TINY_FIELDS, vocab_size: rowsFor(tokenizer) }
  const directory = writeTinyModel(workspace, name, 1, fields)
  workspace.write(`${name}/tokenizer.json`, JSON.stringify(tokenizer))
  workspace.write(`${name}/tokenizer_config.json`, JSON.stringify(CONFIG))
  const model = await readModelFolder(directory)
  const file = path.join(directory, "model.gguf")
  writeGgufModel(model, file, { weights: "f16", adapter: undefined, name })
  await llama!.with(file, undefined, async (loaded) =>
    check(
      (text) => model.tokenisation.encode(text).join(),
      (text) => loaded.tokens(text).join(),
    ),
  )
}

const described = llama ? describe : describe.skip
described(llama ? "llama.cpp" : `llama.cpp: ${LLAMA_CPP_MISSING}`, () => {
  const exact = Object.entries(BYTE_LEVEL).filter(([name]) => name !== "tekken" && name !== "gpt-4o")
  test.each(exact)("cuts and merges any text as this tokenizer does, named %s there", async (name, tokenizer) => {
    await withTokenizer(name, tokenizer, (ours, theirs) => {
      fc.assert(
        fc.property(anyText, (text) => {
          expect(theirs(text)).toBe(ours(text))
        }),
        { numRuns: RUNS },
      )
    })
  })

  const cased = Object.entries(BYTE_LEVEL).filter(([name]) => name === "tekken" || name === "gpt-4o")
  test.each(cased)("cuts ASCII as this tokenizer does, named %s there", async (name, tokenizer) => {
    await withTokenizer(name, tokenizer, (ours, theirs) => {
      fc.assert(
        fc.property(fc.string({ unit: fc.constantFrom(..."aeiorsAEIORS019 .,'\n\t/") }), (text) => {
          expect(theirs(text)).toBe(ours(text))
        }),
        { numRuns: RUNS },
      )
    })
  })

  const pieces = Object.entries(PIECES).filter(([name]) => !name.includes("prepended") || name.includes("never"))
  test.each(pieces)("merges by scores what %s tokenizer merges by rank", async (name, tokenizer) => {
    await withTokenizer(name, tokenizer, (ours, theirs) => {
      fc.assert(
        fc.property(anyText, (text) => {
          expect(theirs(text)).toBe(ours(text))
        }),
        { numRuns: RUNS },
      )
    })
  })

  test("puts a space before a text as Metaspace does, but where there is one already", async () => {
    await withTokenizer("always", PIECES["Metaspace, prepended,"], (ours, theirs) => {
      for (const text of ["tea", "a b", "</s>tea", "tea</s>and on"]) expect(theirs(text)).toBe(ours(text))
      expect(theirs(" tea")).not.toBe(ours(" tea"))
      expect(theirs(" tea")).toBe(ours("  tea"))
    })
  })

  test("puts no space before a text where the tokenizer does so for the first only: a text that begins with one is the same", async () => {
    await withTokenizer("first", PIECES["Metaspace, prepended to the first,"], (ours, theirs) => {
      for (const text of [" tea", "<s>tea", "<s>a b</s>c"]) expect(theirs(text)).toBe(ours(text))
      expect(theirs("tea")).not.toBe(ours("tea"))
    })
  })
})
