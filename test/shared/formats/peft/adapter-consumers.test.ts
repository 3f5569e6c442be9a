// Adapters of every family against what reads them: the files that peft 0.21 itself wrote (test/golden), the rules of vLLM's
// loader, and golden lists of what llama.cpp's converter makes of them.
import { readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, test } from "vitest"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { encodeGgufAdapter } from "#shared/formats/gguf/adapter.ts"
import { type AdapterFiles, readAdapter, TARGET_MODULES, writeAdapter } from "#shared/formats/peft/adapter.ts"
import { readSafetensors } from "#shared/formats/weights/safetensors.ts"
import { readGguf } from "../support/read-gguf.ts"

const models = path.join(import.meta.dirname, "..", "..", "..", "golden", "models")
const bytes = (...names: readonly string[]) => new Uint8Array(readFileSync(path.join(models, ...names)))
const json = (content: Uint8Array) => JSON.parse(new TextDecoder().decode(content)) as Record<string, unknown>

function golden(family: string) {
  const config = parseDecoderConfig(new TextDecoder().decode(bytes(family, "config.json")))
  const files: AdapterFiles = {
    "adapter_config.json": bytes(family, "adapter", "adapter_config.json"),
    "adapter_model.safetensors": bytes(family, "adapter", "adapter_model.safetensors"),
  }
  return { config, files, adapter: readAdapter(files, config) }
}

/** [GGUF architecture, model_type, layers, and per module of a layer: in, out] of the golden models, rank 4. */
const FAMILIES = {
  llama: ["llama", "llama", 2, { q: [32, 32], k: [32, 16], v: [32, 16], o: [32, 32], up: [32, 48], down: [48, 32] }],
  mistral: [
    "llama",
    "mistral",
    2,
    { q: [40, 48], k: [40, 16], v: [40, 16], o: [48, 40], up: [40, 48], down: [48, 40] },
  ],
  qwen2: ["qwen2", "qwen2", 2, { q: [32, 32], k: [32, 16], v: [32, 16], o: [32, 32], up: [32, 48], down: [48, 32] }],
  qwen3: ["qwen3", "qwen3", 2, { q: [32, 64], k: [32, 32], v: [32, 32], o: [64, 32], up: [32, 48], down: [48, 32] }],
  gemma2: ["gemma2", "gemma2", 3, { q: [32, 64], k: [32, 32], v: [32, 32], o: [64, 32], up: [32, 40], down: [40, 32] }],
  gemma3: [
    "gemma3",
    "gemma3_text",
    4,
    { q: [32, 64], k: [32, 16], v: [32, 16], o: [64, 32], up: [32, 40], down: [40, 32] },
  ],
} as const

describe.each(Object.entries(FAMILIES))("an adapter of %s", (family, [architecture, modelType, layers, sizes]) => {
  const { config, files, adapter } = golden(family)
  const written = writeAdapter(adapter.settings, adapter.modules, config, "ab".repeat(32))
  const ours = readSafetensors(written["adapter_model.safetensors"])

  test("has the tensors that peft writes: the same names, dtypes, shapes and bytes", () => {
    const theirs = readSafetensors(files["adapter_model.safetensors"]).tensors
    const listed = (tensors: typeof theirs) =>
      [...tensors.values()].map(({ name, dtype, shape }) => `${name} ${dtype} [${shape}]`).sort()
    expect(listed(ours.tensors)).toEqual(listed(theirs))
    for (const [name, { data }] of theirs) expect(ours.tensors.get(name)!.data).toEqual(data)
  })

  test("has peft's configuration in every field that both write", () => {
    const theirs = json(files["adapter_config.json"])
    const { model_type, ...fields } = json(written["adapter_config.json"])
    expect(model_type).toBe(modelType)
    for (const [name, value] of Object.entries(fields)) expect({ [name]: value }).toEqual({ [name]: theirs[name] })
  })

  test("passes vLLM's checks: names it can take apart, modules it knows, a rank that it can be started with", () => {
    // vllm/lora/utils.py parse_fine_tuned_lora_name; lora_model.py check_unexpected_modules; the packed modules of each family
    // (qkv_proj of q, k, v; gate_up_proj of gate, up) expand to these seven names.
    const modules = new Map<string, string[]>()
    for (const name of ours.tensors.keys()) {
      const parts = name.split(".")
      expect(parts.slice(0, 2)).toEqual(["base_model", "model"])
      expect(parts.at(-1)).toBe("weight")
      const module = parts.slice(2, -2).join(".")
      modules.set(module, [...(modules.get(module) ?? []), parts.at(-2)!])
    }
    expect(modules.size).toBe(7 * layers)
    for (const [module, matrices] of modules) {
      expect(TARGET_MODULES).toContain(module.split(".").at(-1))
      expect(module).toMatch(/^model\.layers\.\d+\.(self_attn|mlp)\.[a-z]+_proj$/)
      expect(matrices.sort()).toEqual(["lora_A", "lora_B"])
    }
    const { r, lora_alpha, target_modules, bias, modules_to_save, use_dora } = json(written["adapter_config.json"])
    expect([1, 8, 16, 32, 64, 128, 256, 320, 512].find((limit) => limit >= (r as number))).toBe(8)
    expect(lora_alpha).toBe(8)
    expect(target_modules).toEqual([...TARGET_MODULES])
    expect({ bias, modules_to_save, use_dora }).toEqual({ bias: "none", modules_to_save: null, use_dora: false })
  })

  test("has the names, sizes and architecture in GGUF that llama.cpp's converter gives them", () => {
    const { metadata, tensors } = readGguf(encodeGgufAdapter(adapter, config, { dtype: "F32" }))
    expect(metadata.get("general.architecture")!.value).toBe(architecture)
    expect(metadata.get("adapter.lora.alpha")!.value).toBe(8)
    const pair = (name: string, [inSize, out]: readonly [number, number]) => [
      `${name}.weight.lora_a [${inSize},4]`,
      `${name}.weight.lora_b [4,${out}]`,
    ]
    const layer = (index: number) => [
      ...pair(`blk.${index}.attn_q`, sizes.q),
      ...pair(`blk.${index}.attn_k`, sizes.k),
      ...pair(`blk.${index}.attn_v`, sizes.v),
      ...pair(`blk.${index}.attn_output`, sizes.o),
      ...pair(`blk.${index}.ffn_gate`, sizes.up),
      ...pair(`blk.${index}.ffn_up`, sizes.up),
      ...pair(`blk.${index}.ffn_down`, sizes.down),
    ]
    const listed = [...tensors].map(([name, { dimensions }]) => `${name} [${dimensions}]`)
    expect(listed).toEqual(Array.from({ length: layers }, (_, index) => layer(index)).flat())
  })

  test("has q and k rows reordered in GGUF only where llama.cpp rotates neighbours, and q scaled only where llama.cpp scales otherwise", () => {
    const { tensors } = readGguf(encodeGgufAdapter(adapter, config, { dtype: "F32" }))
    for (const [module, name] of [
      ["q_proj", "attn_q"],
      ["k_proj", "attn_k"],
    ]) {
      const { b } = adapter.modules.get(`model.layers.0.self_attn.${module}`)!
      const stored = tensors.get(`blk.0.${name}.weight.lora_b`)!.values
      const row = (values: ArrayLike<number>, index: number) =>
        Array.from({ length: 4 }, (_, i) => values[index * 4 + i]!)
      if (architecture === "llama") expect(row(stored, 1)).toEqual(row(b, config.headSize / 2))
      // Where the model's scale of scores is not llama.cpp's 1/√headSize, and no norm of q takes it, the rows of q do.
      const isScaled = module === "q_proj" && config.family === "gemma2"
      const factor = isScaled ? config.attentionScale * Math.sqrt(config.headSize) : 1
      if (architecture !== "llama") expect(stored).toEqual([...b.map((value) => factor * value)])
    }
  })
})

test("an adapter that names another model type is refused, gemma3's two names are one", () => {
  const { config, files } = golden("gemma3")
  const named = (model_type: string) => ({
    ...files,
    "adapter_config.json": new TextEncoder().encode(
      JSON.stringify({ ...json(files["adapter_config.json"]), model_type }),
    ),
  })
  expect(readAdapter(named("gemma3"), config).modules.size).toBe(28)
  expect(readAdapter(named("gemma3_text"), config).modules.size).toBe(28)
  expect(() => readAdapter(named("llama"), config)).toThrow(
    'model_type is "llama", but must be "gemma3_text", "gemma3"',
  )
})
