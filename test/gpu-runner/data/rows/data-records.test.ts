// --data in every format: the same rows from each, and faults with file and place.
import path from "node:path"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { afterAll, describe, expect, test } from "vitest"
import { InvalidDataFile } from "#gpu-runner/data/errors.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { countReasons, type DataFileOptions, readDataFile } from "#gpu-runner/data/rows/data-file.ts"
import { findDataFiles } from "#gpu-runner/data/rows/data-source.ts"
import { createWorkspace, jsonLines, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const { tokenisation } = await readModelFolder(writeTinyModel(workspace))
const parquet = (name: string) => path.join(import.meta.dirname, "parquet", name)

async function read(source: string, options: Partial<DataFileOptions> = {}) {
  const { rows, dropped, digest } = await readDataFile(source, tokenisation, {
    kind: "pairs",
    maxLength: 128,
    ...options,
  })
  const text = (ids: Uint32Array) => tokenisation.decode(ids, { skipSpecialTokens: true })
  return {
    rows: rows.map((row) => ({ ...row, texts: [row.promptIds, row.chosenIds, row.rejectedIds].map(text) })),
    reasons: countReasons(dropped),
    digest,
  }
}
const idsOf = async (source: string) => (await read(source)).rows.map(({ id }) => id)

const pairs = Array.from({ length: 4 }, (_, i) => {
  return { id: `r${i}`, prompt: `q, "${i}"`, chosen: `yes\n${i}é`, rejected: `no ${i}` }
})
const lines = jsonLines(pairs)
const table = `id,prompt,chosen,rejected\r\n${pairs
  .map((pair) =>
    Object.values(pair)
      .map((value) => `"${value.replaceAll('"', '""')}"`)
      .join(","),
  )
  .join("\r\n")}`

describe("one set of pairs", () => {
  const files: readonly (readonly [string, string | Uint8Array])[] = [
    ["pairs.jsonl", lines],
    ["pairs.ndjson.gz", gzipSync(lines)],
    ["members.jsonl.gz", Buffer.concat([gzipSync(lines.slice(0, 100)), gzipSync(lines.slice(100))])],
    ["pairs.json", JSON.stringify(pairs, null, 2)],
    ["pairs.json.gz", gzipSync(JSON.stringify(pairs))],
    ["lines.json", lines],
    ["pairs.csv", table],
    ["mark.csv", `\ufeff${table}\r\n`],
    ["pairs.csv.gz", gzipSync(table)],
  ]
  test.each(files)("is read alike from %s", async (name, content) => {
    const { rows } = await read(workspace.write(name, content))
    expect(rows.map(({ id, texts }) => [id, ...texts])).toEqual(pairs.map((pair) => Object.values(pair)))
  })

  test("crosses the pieces in which a long file is read", async () => {
    const long = Array.from({ length: 30 }, (_, i) => ({
      id: `${i}`,
      prompt: String(i).padStart(100_000, "p"),
      chosen: "a",
      rejected: "b",
    }))
    const { rows } = await read(workspace.write("long.jsonl", jsonLines(long)), { maxLength: 200_000 })
    expect(rows.map(({ promptIds }) => promptIds.length)).toEqual(long.map(() => 100_001))
  })
})

describe("Parquet as the hub writes it", () => {
  test("nested conversations over several row groups, with nulls for what is absent", async () => {
    const { rows } = await read(parquet("chat.parquet"))
    expect(rows).toHaveLength(5)
    expect(rows.map(({ texts }) => texts[1]!.trimEnd())).toEqual([0, 1, 2, 3, 4].map((i) => `Because ${i}. é🍵`))
  })

  test.each(["none", "gzip", "brotli", "zstd"])("compressed with %s", async (codec) => {
    const { rows } = await read(parquet(`plain-${codec}.parquet`))
    expect(rows.map(({ id, texts }) => [id, ...texts])).toEqual([
      ["7", "a", " yes", " no"],
      ["8", "b", " y", " n"],
    ])
  })

  test("labels, and lists with nulls inside", async () => {
    const labelled = await read(parquet("unpaired.parquet"), { kind: "unpaired" })
    expect(labelled.rows.map(({ label }) => label)).toEqual([true, false])
    expect((await read(parquet("ratings.parquet"))).rows.map(({ texts }) => texts)).toEqual([["q", "high", "low"]])
  })

  const faults: readonly (readonly [string, string, RegExp])[] = [
    ["an unknown codec", parquet("plain-lz4.parquet"), /compressed with LZ4.*; write it again with snappy/],
    [
      "text that is not UTF-8",
      parquet("broken-utf8.parquet"),
      /broken-utf8\.parquet:1: the row holds text that is not UTF-8/,
    ],
    [
      "a number beyond 2^53",
      parquet("huge-id.parquet"),
      /huge-id\.parquet:1: the number 1152921504606846977 is too large/,
    ],
    [
      "no Parquet at all",
      workspace.write("not.parquet", "hello, this is text and no table"),
      /no Parquet file that can be read/,
    ],
    ["gzip around it", workspace.write("zipped.parquet.gz", gzipSync("x")), /Parquet compresses by itself/],
  ]
  test.each(faults)("%s is an error", async (_, file, message) => {
    await expect(read(file)).rejects.toThrow(InvalidDataFile)
    await expect(read(file)).rejects.toThrow(message)
  })
})

describe("faults name file and place", () => {
  const faults: readonly (readonly [string, string, string | Uint8Array, RegExp])[] = [
    [
      "a row of the wrong length",
      "short.csv",
      "prompt,chosen,rejected\na,b,c\na,b\n",
      /short\.csv:3: the row has 2 cells and the header 3/,
    ],
    ["a column named twice", "twice.csv", "prompt,prompt\n", /column "prompt" is there twice/],
    ["a quote inside a cell", "quote.csv", 'prompt,chosen,rejected\na,b "x" c,d\n', /quote\.csv:2: a double quote/],
    [
      "a table that is not UTF-8",
      "latin.csv",
      Buffer.from("prompt\n\xe9t\xe9\n", "latin1"),
      /latin\.csv: the file is not UTF-8/,
    ],
    ["an array that is not JSON", "broken.json", '[{"prompt":"a"', /broken\.json: is not JSON/],
    ["a member that is no object", "numbers.json", "[{}, 7]", /numbers\.json:1: chosen is missing/],
    ["an array with a key twice", "keys.json", '[{"a":1,"a":2}]', /"a" is there twice/],
    [
      "an array that is not UTF-8",
      "latin.json",
      Buffer.from('["\xe9"]', "latin1"),
      /latin\.json: the file is not UTF-8/,
    ],
    [
      "a Git LFS pointer",
      "pointer.parquet",
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
      /pointer\.parquet: is a Git LFS pointer and not the file itself; fetch it with git lfs pull/,
    ],
    ["a web page", "page.jsonl", "\n<!DOCTYPE html><html>", /page\.jsonl: is a web page; fetch the file itself/],
    ["an old web page", "old.csv", "<HTML>", /old\.csv: is a web page/],
    [
      "Parquet under another name",
      "table.jsonl",
      "PAR1\u0015\u0000",
      /is a Parquet file under another name; call it \.parquet/,
    ],
    ["Arrow", "data.arrow", "ARROW1\u0000", /is an Arrow file; write Parquet/],
    [
      "gzip under another name",
      "zipped.jsonl",
      gzipSync(lines),
      /is gzipped under another name; end its name with \.gz/,
    ],
    [
      "a sheet",
      "sheet.xlsx",
      Uint8Array.of(0x50, 0x4b, 3, 4, 0),
      /is a ZIP or Excel file; unpack it, or save the sheet as CSV/,
    ],
    ["UTF-16", "wide.csv", Buffer.from("\ufeffprompt\n", "utf16le"), /wide\.csv: is UTF-16; save it as UTF-8/],
    ["UTF-16 the other way round", "big.csv", Uint8Array.of(0xfe, 0xff, 0, 0x70), /big\.csv: is UTF-16/],
    ["a table with tabs", "tabs.tsv", "prompt\tchosen\n", /tabs\.tsv: is a table with tabs; write it with commas/],
    ["gzip that is none", "plain.jsonl.gz", lines, /plain\.jsonl\.gz: is no whole gzip file/],
    ["gzip of another kind", "brotli.jsonl.gz", brotliCompressSync(lines), /no whole gzip file/],
    [
      "gzip that breaks off",
      "half.jsonl.gz",
      gzipSync(lines).subarray(0, 40),
      /half\.jsonl\.gz: is no whole gzip file/,
    ],
  ]
  test.each(faults)("%s", async (_, name, content, message) => {
    const file = workspace.write(name, content)
    await expect(read(file)).rejects.toThrow(InvalidDataFile)
    await expect(read(file)).rejects.toThrow(message)
  })
})

describe("a folder or a pattern", () => {
  const shard = (index: number) => jsonLines([pairs[index]!])
  workspace.write("shards/train-00001-of-00002.jsonl", shard(1))
  workspace.write("shards/train-00000-of-00002.jsonl", shard(0))
  workspace.write("shards/README.md", "not data")
  workspace.write("shards/.hidden.jsonl", "not data")
  workspace.write("shards/deeper/train-00000.jsonl", "not data")

  test("is its data files in the order of their names; other files are left alone", async () => {
    expect(await idsOf(workspace.at("shards"))).toEqual(["r0", "r1"])
    expect(await idsOf(workspace.at("shards", "train-*.jsonl"))).toEqual(["r0", "r1"])
    expect(await idsOf(workspace.at("shards", "*-00001-*"))).toEqual(["r1"])
  })

  test("has a digest that follows every file and their order", async () => {
    const before = (await read(workspace.at("shards"))).digest
    workspace.write("digests/a.jsonl", shard(0))
    workspace.write("digests/b.jsonl", shard(1))
    expect((await read(workspace.at("digests"))).digest).toBe(before)
    workspace.write("digests/b.jsonl", shard(2))
    expect((await read(workspace.at("digests"))).digest).not.toBe(before)
  })

  test("with several splits is refused, and a pattern picks one", () => {
    workspace.write("splits/train-0.jsonl", shard(0))
    workspace.write("splits/test-0.jsonl", shard(1))
    expect(() => findDataFiles(workspace.at("splits"))).toThrow(InvalidDataFile)
    expect(() => findDataFiles(workspace.at("splits"))).toThrow(/several splits \(test, train\); name one by a pattern/)
    expect(findDataFiles(workspace.at("splits", "train*"))).toEqual([workspace.at("splits", "train-0.jsonl")])
    workspace.write("subsets/train_prefs-0.parquet", "")
    workspace.write("subsets/train_sft-0.parquet", "")
    expect(() => findDataFiles(workspace.at("subsets"))).toThrow(/train_prefs, train_sft/)
  })

  test("that holds nothing is an error, and so is a row that two files name alike but differently", async () => {
    workspace.write("empty/README.md", "not data")
    expect(() => findDataFiles(workspace.at("empty"))).toThrow(/holds no data files; known are \.jsonl/)
    expect(() => findDataFiles(workspace.at("shards", "*.csv"))).toThrow(/no data file fits this pattern/)
    workspace.write("clash/a.jsonl", shard(0))
    workspace.write("clash/b.jsonl", jsonLines([{ ...pairs[0]!, chosen: "other" }]))
    await expect(read(workspace.at("clash"))).rejects.toThrow(
      /b\.jsonl:1: id "r0" belongs to another row at .*a\.jsonl:1/,
    )
  })
})
