// `yohaku export --format merged`: the base's dtype, files and names, one rounding, and no byte changed that need not be.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { afterAll, describe, expect, test } from "vitest"
import { sha256 } from "#gpu-runner/data/files.ts"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { AdapterOfOtherBase } from "#shared/formats/peft/adapter.ts"
import { asFloat32, type FloatDtype } from "#shared/formats/weights/safetensors.ts"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { readGguf } from "#test/shared/formats/support/read-gguf.ts"
import {
  createWorkspace,
  shard,
  storeAs,
  storedTensors,
  writeTinyAdapter,
  writeTinyModel,
} from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

/** Significand bits of a dtype, the implicit one included. */
const PRECISION = { F32: 24, F16: 11, BF16: 8 } as const

/** Half the distance between neighbours of a dtype at a value. */
function halfUnit(value: number, dtype: FloatDtype): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), dtype === "F16" ? -14 : -126)
  return 2 ** (exponent - PRECISION[dtype])
}

describe.each(["F32", "F16", "BF16"] as const)("a base in %s", (dtype) => {
  test("is merged in its own dtype: every adapted weight the nearest one, every other byte unchanged", async () => {
    const base = writeTinyModel(workspace, `base-${dtype}`)
    storeAs(base, dtype)
    const adapterDir = await writeTinyAdapter(workspace, base, `adapter-${dtype}`)
    const out = workspace.at(`merged-${dtype}`)
    expect(
      (await runYohaku("export", "--model", base, "--adapter", adapterDir, "--format", "merged", "--out", out)).code,
    ).toBe(0)
    const { adapter } = readAdapterFolder(adapterDir, await readModelFolder(base))
    const original = storedTensors(base)
    const merged = storedTensors(out)
    expect([...merged.keys()]).toEqual([...original.keys()])
    expect(readFileSync(`${out}/config.json`)).toEqual(readFileSync(`${base}/config.json`))
    let adapted = 0
    for (const [name, tensor] of merged) {
      const stored = original.get(name)!
      expect(tensor).toMatchObject({ dtype, shape: stored.shape })
      const module = adapter.modules.get(name.replace(".weight", ""))
      if (!module) {
        expect(tensor.data).toEqual(stored.data)
        continue
      }
      adapted++
      const values = asFloat32(tensor)
      const weights = asFloat32(stored)
      const columns = tensor.shape[1]!
      for (let index = 0; index < values.length; index++) {
        let exact = weights[index]!
        for (let r = 0; r < 3; r++) {
          exact +=
            adapter.scaling *
            module.b[Math.floor(index / columns) * 3 + r]! *
            module.a[r * columns + (index % columns)]!
        }
        expect(Math.abs(values[index]! - exact)).toBeLessThanOrEqual(halfUnit(exact, dtype) * (1 + 1e-9))
      }
    }
    expect(adapted).toBe(14)
  })
})

test("a sharded base is merged into the same shards with the same index, and an older single file and template go", async () => {
  const base = writeTinyModel(workspace, "sharded")
  storeAs(base, "BF16")
  const whole = workspace.at("whole")
  const adapter = await writeTinyAdapter(workspace, base, "sharded-adapter")
  await runYohaku("export", "--model", base, "--adapter", adapter, "--format", "merged", "--out", whole)
  const single = storedTensors(whole)
  workspace.write("whole/chat_template.jinja", "of another base")
  shard(base)
  const again = await writeTinyAdapter(workspace, base, "sharded-adapter")
  expect(
    (await runYohaku("export", "--model", base, "--adapter", again, "--format", "merged", "--out", whole)).code,
  ).toBe(0)
  const files = readdirSync(whole).filter((name) => name.includes("safetensors"))
  expect(files).toEqual([
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ])
  expect(readFileSync(`${whole}/model.safetensors.index.json`)).toEqual(
    readFileSync(`${base}/model.safetensors.index.json`),
  )
  expect(existsSync(`${whole}/chat_template.jinja`)).toBe(false)
  for (const file of files.slice(0, 2)) {
    const names = [...storedTensors(base, file).keys()]
    const tensors = storedTensors(whole, file)
    expect([...tensors.keys()]).toEqual(names)
    for (const name of names) expect(tensors.get(name)!.data).toEqual(single.get(name)!.data)
  }
})

test("the adapter's card goes with the export: its lineage kept, its files and uses replaced by the export's", async () => {
  const base = writeTinyModel(workspace, "carded")
  workspace.write("carded/README.md", "---\nlicense: mit\n---\n# base\n")
  const adapter = await writeTinyAdapter(workspace, base, "carded-adapter")
  workspace.write(
    "carded-adapter/README.md",
    "---\nbase_model: acme/tiny\nlibrary_name: peft\ntags:\n  - dpo\n---\n# Tuned\n\n## Use\n\npeft\n\n## Lineage\n\nkept\n\n## Files\n\n| adapter |\n",
  )
  for (const [format, library] of [
    ["merged", "transformers"],
    ["gguf-adapter", "gguf"],
  ] as const) {
    const out = workspace.at(`card-${format}`)
    await runYohaku("export", "--model", base, "--adapter", adapter, "--format", format, "--out", out)
    const text = readFileSync(`${out}/README.md`, "utf8")
    expect(text).toContain(`library_name: ${library}\n`)
    expect(text).toMatch(/^---\nbase_model: acme\/tiny\n/)
    expect(text).toContain("license: mit\n")
    expect(text).toContain("tags:\n  - dpo\n")
    expect(text).toContain("# Tuned\n\n## Lineage\n\nkept\n\n## Export\n")
    expect(text).toMatch(/\| command \| `yohaku export --model \S+ --adapter \S+ --format /)
    const [file] = readdirSync(out).filter((name) => /^(model\.safetensors|adapter\.gguf)$/.test(name))
    expect(text).toContain(`| ${file}, SHA-256 | ${sha256(readFileSync(`${out}/${file}`))} |`)
  }
})

test("an export beside the adapter leaves the adapter's card as it is, and adds itself once", async () => {
  const base = writeTinyModel(workspace, "beside")
  const adapter = await writeTinyAdapter(workspace, base, "beside-adapter")
  const card = "---\nlibrary_name: peft\n---\n\n# Tuned\n\n## Use\n\npeft\n\n## Files\n\n| adapter |\n"
  workspace.write("beside-adapter/README.md", card)
  for (let time = 0; time < 2; time++) {
    await runYohaku("export", "--model", base, "--adapter", adapter, "--format", "gguf-adapter", "--out", adapter)
  }
  const text = readFileSync(`${adapter}/README.md`, "utf8")
  expect(text.startsWith(card.trimEnd())).toBe(true)
  expect(text.match(/## Export/g)).toHaveLength(1)
})

describe("an export goes into no folder that holds what it did not write, and changes nothing there:", () => {
  const base = writeTinyModel(workspace, "kept-base")
  workspace.write("kept-base/README.md", "---\nlicense: mit\n---\n# base\n")
  const contents = (folder: string) =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, sha256(readFileSync(`${folder}/${name}`))]))
  const refused = async (adapter: string, format: string, out: string) => {
    const before = contents(out)
    const result = await runYohaku("export", "--model", base, "--adapter", adapter, "--format", format, "--out", out)
    expect(result.code).toBe(2)
    expect(contents(out)).toEqual(before)
    return result.told
  }

  test("the adapter's own folder, the model's, another model's, another adapter's", async () => {
    const adapter = await writeTinyAdapter(workspace, base, "kept-adapter")
    expect(await refused(adapter, "merged", adapter)).toContain("--out is the adapter's own folder")
    expect(await refused(adapter, "merged", base)).toContain("--out is the model's own folder, whose weights")
    expect(await refused(adapter, "gguf-adapter", base)).toContain("--out is the model's own folder, whose card")
    const others = [
      [writeTinyModel(workspace, "kept-model", 9), "config.json"],
      [await writeTinyAdapter(workspace, base, "kept-other"), "adapter_config.json"],
    ] as const
    for (const [out, name] of others) {
      for (const format of ["merged", "gguf-adapter"]) {
        expect(await refused(adapter, format, out)).toContain(
          `holds ${name}, which no earlier export of format ${format}`,
        )
      }
    }
  })

  test("an earlier export with a file of the user's, or of another format; alone it is replaced", async () => {
    const adapter = await writeTinyAdapter(workspace, base, "again-adapter")
    for (const format of ["merged", "gguf-adapter"]) {
      const out = workspace.at(`again-${format}`)
      const again = () => runYohaku("export", "--model", base, "--adapter", adapter, "--format", format, "--out", out)
      expect((await again()).code).toBe(0)
      const first = contents(out)
      expect((await again()).code).toBe(0)
      expect(contents(out)).toEqual(first)
      expect(await refused(adapter, format === "merged" ? "gguf-adapter" : "merged", out)).toContain("choose another")
      workspace.write(`again-${format}/notes.txt`, "mine")
      expect(await refused(adapter, format, out)).toContain("holds notes.txt, which no earlier export")
    }
  })
})

test("an adapter is refused on weights that it was not trained on, by every way of export", async () => {
  const base = writeTinyModel(workspace, "own")
  const other = writeTinyModel(workspace, "foreign", 9)
  const adapter = await writeTinyAdapter(workspace, base, "own-adapter")
  const model = await readModelFolder(other)
  expect(() => readAdapterFolder(adapter, model)).toThrow(AdapterOfOtherBase)
  for (const format of ["merged", "gguf-adapter", "onnx"]) {
    const out = workspace.at(`refused-${format}`)
    const { code, told } = await runYohaku(
      "export",
      "--model",
      other,
      "--adapter",
      adapter,
      "--format",
      format,
      "--out",
      out,
    )
    expect(code).toBe(1)
    expect(told).toMatch(/was trained on weights .* give the model that the adapter was trained on/)
    expect(existsSync(out)).toBe(false)
  }
})

test("--format gguf-adapter writes one file that llama.cpp's rules accept, in f32 or f16", async () => {
  const base = writeTinyModel(workspace, "gguf-base")
  const adapter = await writeTinyAdapter(workspace, base, "gguf-source")
  const common = ["export", "--model", base, "--format", "gguf-adapter", "--out", workspace.at("gguf")]
  expect(await runYohaku(...common)).toMatchObject({
    code: 2,
    told: expect.stringContaining("gguf-adapter needs --adapter"),
  })
  expect((await runYohaku(...common, "--adapter", adapter, "--dtype", "bf16")).code).toBe(2)
  for (const [dtype, type] of [
    ["f32", 0],
    ["f16", 1],
  ] as const) {
    expect((await runYohaku(...common, "--adapter", adapter, "--dtype", dtype)).code).toBe(0)
    const { tensors, metadata } = readGguf(readFileSync(workspace.at("gguf", "adapter.gguf")))
    expect(tensors.size).toBe(28)
    expect([...tensors.values()].every((tensor) => tensor.type === type)).toBe(true)
    expect(metadata.get("general.name")!.value).toBe("gguf")
  }
})
