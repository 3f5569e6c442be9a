// Longer than other files: reading and writing are held against one and the same written adapter.
// Over 300 lines: both files of an adapter, written and read.
import { describe, expect, it } from "vitest"
import {
  type AdapterFiles,
  type AdapterModule,
  AdapterOfOtherBase,
  type AdapterSettings,
  adapterModuleShapes,
  adapterTensorName,
  InvalidAdapter,
  moduleName,
  readAdapter,
  TARGET_MODULES,
  writeAdapter,
} from "#shared/formats/peft/adapter.ts"
import { readSafetensors, type Tensor, tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { seededRandom, smallLlamaConfig } from "#test/reference/random-decoder.ts"

const config = smallLlamaConfig()
const settings: AdapterSettings = { baseModel: "acme/tiny", rank: 3, alpha: 12, targetModules: ["v_proj", "q_proj"] }

function randomModules(of: AdapterSettings): Map<string, AdapterModule> {
  const random = seededRandom(5)
  const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5)
  return new Map(
    [...adapterModuleShapes(config, of.targetModules)].map(([path, shape]) => [
      path,
      { a: values(of.rank * shape.in), b: values(of.rank * shape.out) },
    ]),
  )
}

const files = writeAdapter(settings, randomModules(settings), config)
const Q0 = "base_model.model.model.layers.0.self_attn.q_proj"

/** s·B·A [out, in], in f64. */
function product(a: Float32Array, b: Float32Array, shape: { out: number; in: number }, rank: number, scaling: number) {
  return Array.from({ length: shape.out * shape.in }, (_, index) => {
    const [row, column] = [Math.floor(index / shape.in), index % shape.in]
    let sum = 0
    for (let r = 0; r < rank; r++) sum += b[row * rank + r]! * a[r * shape.in + column]!
    return scaling * sum
  })
}

function withConfig(changes: Record<string, unknown>): AdapterFiles {
  const fields = JSON.parse(new TextDecoder().decode(files["adapter_config.json"]))
  return { ...files, "adapter_config.json": new TextEncoder().encode(JSON.stringify({ ...fields, ...changes })) }
}

function withTensors(change: (tensors: Map<string, Tensor>) => void): AdapterFiles {
  const { tensors } = readSafetensors(files["adapter_model.safetensors"])
  change(tensors)
  return { ...files, "adapter_model.safetensors": writeSafetensors(tensors.values()) }
}

describe("an adapter in PEFT's format", () => {
  it("has the config that PEFT, vLLM, llama.cpp and Workers AI look for", () => {
    expect(JSON.parse(new TextDecoder().decode(files["adapter_config.json"]))).toEqual({
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      base_model_name_or_path: "acme/tiny",
      revision: null,
      auto_mapping: null,
      inference_mode: true,
      r: 3,
      lora_alpha: 12,
      lora_dropout: 0,
      target_modules: ["q_proj", "v_proj"],
      bias: "none",
      fan_in_fan_out: false,
      modules_to_save: null,
      layers_to_transform: null,
      layers_pattern: null,
      rank_pattern: {},
      alpha_pattern: {},
      use_rslora: false,
      use_dora: false,
      init_lora_weights: true,
      model_type: "llama",
    })
  })

  it("names its tensors as PEFT does, A [rank, in] and B [out, rank]", () => {
    const { tensors } = readSafetensors(files["adapter_model.safetensors"])
    const listed = [...tensors.values()].map(({ name, dtype, shape }) => `${name} ${dtype} [${shape}]`)
    expect(listed).toEqual(
      [0, 1].flatMap((layer) => {
        const path = `base_model.model.model.layers.${layer}.self_attn`
        return [
          `${path}.q_proj.lora_A.weight F32 [3,24]`,
          `${path}.q_proj.lora_B.weight F32 [24,3]`,
          `${path}.v_proj.lora_A.weight F32 [3,24]`,
          `${path}.v_proj.lora_B.weight F32 [12,3]`,
        ]
      }),
    )
  })

  it("is read back as it was written, bit for bit", () => {
    const modules = randomModules(settings)
    const adapter = readAdapter(files, config)
    expect(adapter.scaling).toBe(4)
    expect(adapter.settings).toMatchObject({ rank: 3, alpha: 12, targetModules: ["q_proj", "v_proj"] })
    expect([...adapter.modules.keys()]).toEqual([...modules.keys()])
    for (const [path, { a, b }] of modules) {
      expect([...adapter.modules.get(path)!.a]).toEqual([...a])
      expect([...adapter.modules.get(path)!.b]).toEqual([...b])
    }
    expect(writeAdapter(settings, new Map([...modules].reverse()), config)).toEqual(files)
  })

  it("covers all seven linear modules with their own sizes", () => {
    const targetModules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] as const
    const shapes = [...adapterModuleShapes(config, targetModules)].slice(0, 7)
    expect(shapes.map(([path, shape]) => `${path.split(".").at(-1)} ${shape.out}x${shape.in}`)).toEqual([
      "q_proj 24x24",
      "k_proj 12x24",
      "v_proj 12x24",
      "o_proj 24x24",
      "gate_proj 40x24",
      "up_proj 40x24",
      "down_proj 24x40",
    ])
  })

  it("scales by alpha / √rank with rank-stabilised scaling", () => {
    const stabilised = { ...settings, rank: 4, useRankStabilisedScaling: true }
    const adapter = readAdapter(writeAdapter(stabilised, randomModules(stabilised), config), config)
    expect(adapter.scaling).toBe(6)
  })

  it("accepts empty and null values of options that it does not know how to apply", () => {
    const neutral = {
      rank_pattern: {},
      alpha_pattern: {},
      modules_to_save: [],
      layers_to_transform: null,
      lora_bias: false,
      megatron_core: "megatron.core",
      peft_version: "0.18.0",
      some_later_option: null,
    }
    expect(readAdapter(withConfig(neutral), config).modules.size).toBe(4)
  })

  it.each([
    [".*\\.(q|v)_proj", ["q_proj", "v_proj"]],
    [
      ["self_attn.q_proj", "v_proj"],
      ["self_attn.q_proj", "v_proj"],
    ],
    [
      ["model.layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj", "v_proj"],
      ["model.layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj", "v_proj"],
    ],
  ])("may name its targets as PEFT lets it: %j", (targets, expected) => {
    const adapter = readAdapter(withConfig({ target_modules: targets }), config)
    expect(adapter.settings.targetModules).toEqual(expected)
    expect(adapter.modules.size).toBe(4)
    const written = writeAdapter(adapter.settings, adapter.modules, config)
    expect(JSON.parse(new TextDecoder().decode(written["adapter_config.json"])).target_modules).toEqual([
      "q_proj",
      "v_proj",
    ])
  })

  it("takes all-linear for every linear module", () => {
    const all = { ...settings, targetModules: TARGET_MODULES }
    const whole = writeAdapter(all, randomModules(all), config)
    const json = JSON.parse(new TextDecoder().decode(whole["adapter_config.json"]))
    const bytes = new TextEncoder().encode(JSON.stringify({ ...json, target_modules: "all-linear" }))
    expect(readAdapter({ ...whole, "adapter_config.json": bytes }, config).modules.size).toBe(14)
  })

  it("of some layers only is written back with the paths of its modules", () => {
    const some = { ...settings, targetModules: ["layers.1.self_attn.q_proj", "v_proj"] }
    const written = writeAdapter(some, randomModules(some), config)
    const read = readAdapter(written, config)
    expect([...read.modules.keys()]).toEqual([
      "model.layers.0.self_attn.v_proj",
      "model.layers.1.self_attn.q_proj",
      "model.layers.1.self_attn.v_proj",
    ])
    expect(read.settings.targetModules).toEqual([...read.modules.keys()])
  })

  it.each([false, true])(
    "with ranks and alphas by module computes the same update with one of each (rsLoRA: %s)",
    (rs) => {
      const random = seededRandom(8)
      const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5)
      const ranks: Record<string, number> = { q_proj: 5, v_proj: 3 }
      const alphas: Record<string, number> = { q_proj: 12, v_proj: 7 }
      const modules = [...adapterModuleShapes(config, settings.targetModules)].map(([path, shape]) => {
        const rank = ranks[moduleName(path)]!
        return { path, shape, rank, a: values(rank * shape.in), b: values(rank * shape.out) }
      })
      const tensors = modules.flatMap(({ path, shape, rank, a, b }) => [
        tensorOf(adapterTensorName(path, "A"), [rank, shape.in], a),
        tensorOf(adapterTensorName(path, "B"), [shape.out, rank], b),
      ])
      const read = readAdapter(
        {
          ...withConfig({
            rank_pattern: { "self_attn.q_proj": 5 },
            alpha_pattern: { "^x": 1, v_proj: 7 },
            use_rslora: rs,
          }),
          "adapter_model.safetensors": writeSafetensors(tensors),
        },
        config,
      )
      expect(read.settings.rank).toBe(5)
      expect(read.scaling).toBeCloseTo(rs ? 12 / Math.sqrt(3) : 4, 12)
      for (const { path, shape, rank, a, b } of modules) {
        const alpha = alphas[moduleName(path)]!
        const expected = product(a, b, shape, rank, alpha / (rs ? Math.sqrt(rank) : rank))
        const { a: readA, b: readB } = read.modules.get(path)!
        const actual = product(readA, readB, shape, 5, read.scaling)
        actual.forEach((value, index) => {
          expect(Math.abs(value - expected[index]!)).toBeLessThan(1e-6)
        })
      }
      const again = readAdapter(writeAdapter(read.settings, read.modules, config), config)
      expect(again.scaling).toBeCloseTo(read.scaling, 12)
    },
  )

  it("knows its base: other weights are refused, and weights nobody named are taken", () => {
    const named = writeAdapter(settings, randomModules(settings), config, "a".repeat(64))
    expect(readAdapter(named, config, "a".repeat(64)).modules.size).toBe(4)
    expect(readAdapter(named, config).modules.size).toBe(4)
    expect(readAdapter(files, config, "b".repeat(64)).modules.size).toBe(4)
    expect(() => readAdapter(named, config, "b".repeat(64))).toThrow(AdapterOfOtherBase)
    expect(() => readAdapter(named, config, "b".repeat(64))).toThrow(/acme\/tiny.*give the model that the adapter/)
  })

  const badConfigs: [string, Record<string, unknown>, string][] = [
    ["another method than LoRA", { peft_type: "IA3" }, "peft_type"],
    ["modules_to_save", { modules_to_save: ["lm_head"] }, "modules_to_save"],
    ["DoRA", { use_dora: true }, "use_dora"],
    ["a bias", { bias: "all" }, "bias"],
    ["fan_in_fan_out", { fan_in_fan_out: true }, "fan_in_fan_out"],
    ["ranks by regular expression", { rank_pattern: { "layers\\.[01]\\.self_attn": 2 } }, "rank_pattern"],
    ["a rank of a pattern that is no whole number", { rank_pattern: { q_proj: 1.5 } }, "rank_pattern"],
    ["an alpha of a pattern that is negative", { alpha_pattern: { q_proj: -1 } }, "alpha_pattern"],
    ["a rank of a pattern that the tensors lack", { rank_pattern: { q_proj: 2 } }, "expected [2, 24]"],
    ["an initialisation that changed the base", { init_lora_weights: "pissa" }, "init_lora_weights"],
    ["an option that nobody here knows", { use_hyperlora: true }, "use_hyperlora"],
    ["an option called as what every object has", { constructor: true }, "constructor"],
    ["a dropout of 1", { lora_dropout: 1 }, "lora_dropout"],
    ["a part of the layers", { layers_to_transform: [0] }, "layers_to_transform"],
    ["an unknown target", { target_modules: ["q_proj", "c_attn"] }, "c_attn"],
    ["no targets", { target_modules: [] }, "non-empty"],
    ["targets that are numbers", { target_modules: [1] }, "a list"],
    ["a target pattern that matches nothing", { target_modules: ".*c_attn" }, "matches linear modules"],
    ["a target pattern that is none", { target_modules: "(" }, "matches linear modules"],
    ["a rank of 0", { r: 0 }, "r is 0"],
    ["an alpha that is text", { lora_alpha: "16" }, "lora_alpha"],
    ["another model type", { model_type: "gemma" }, "model_type"],
    ["a rank that the tensors lack", { r: 4 }, "expected [4, 24]"],
    [
      "a target that the tensors lack",
      { target_modules: ["q_proj", "v_proj", "o_proj"] },
      "o_proj.lora_A.weight is missing",
    ],
    ["fewer targets than tensors", { target_modules: ["q_proj"] }, "v_proj.lora_A.weight is no LoRA matrix"],
  ]
  it.each(badConfigs)("is refused by name with %s", (_name, changes, message) => {
    expect(() => readAdapter(withConfig(changes), config)).toThrow(InvalidAdapter)
    expect(() => readAdapter(withConfig(changes), config)).toThrow(message)
  })

  const badTensors: [string, (tensors: Map<string, Tensor>) => void, string][] = [
    ["a matrix missing", (tensors) => tensors.delete(`${Q0}.lora_B.weight`), "lora_B.weight is missing"],
    [
      "a matrix of another shape",
      (tensors) => tensors.set(`${Q0}.lora_A.weight`, tensorOf(`${Q0}.lora_A.weight`, [24, 3], new Float32Array(72))),
      "has shape [24,3], expected [3, 24]",
    ],
    [
      "a value that is not finite",
      (tensors) =>
        tensors.set(
          `${Q0}.lora_A.weight`,
          tensorOf(`${Q0}.lora_A.weight`, [3, 24], new Float32Array(72).fill(Number.NaN)),
        ),
      "holds NaN at 0",
    ],
    [
      "a matrix of whole numbers",
      (tensors) => tensors.set(`${Q0}.lora_A.weight`, tensorOf(`${Q0}.lora_A.weight`, [3, 24], new Int32Array(72))),
      "is I32",
    ],
    [
      "a DoRA magnitude",
      (tensors) =>
        tensors.set(`${Q0}.lora_magnitude_vector`, tensorOf(`${Q0}.lora_magnitude_vector`, [24], new Float32Array(24))),
      "is no LoRA matrix",
    ],
  ]
  it.each(badTensors)("is refused with %s", (_name, change, message) => {
    expect(() => readAdapter(withTensors(change), config)).toThrow(InvalidAdapter)
    expect(() => readAdapter(withTensors(change), config)).toThrow(message)
  })

  it("is refused when a file is no JSON or no safetensors", () => {
    const broken = new Uint8Array(4)
    expect(() => readAdapter({ ...files, "adapter_config.json": broken }, config)).toThrow(InvalidAdapter)
    expect(() => readAdapter({ ...files, "adapter_model.safetensors": broken }, config)).toThrow(InvalidAdapter)
  })

  it("is not written with a module missing, unknown or of the wrong size", () => {
    const modules = randomModules(settings)
    const [path, { a, b }] = [...modules][0]!
    expect(() => writeAdapter(settings, new Map([...modules].slice(1)), config)).toThrow("is missing")
    expect(() => writeAdapter(settings, new Map([...modules, ["model.norm", { a, b }]]), config)).toThrow("model.norm")
    expect(() => writeAdapter(settings, new Map([...modules, [path, { a: b.subarray(1), b }]]), config)).toThrow(
      InvalidAdapter,
    )
  })
})
