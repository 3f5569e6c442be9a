// The parameters of a decoder on the device, f32: frozen weights as tensors of their own, trained ones in a bank.
// Either a LoRA adapter is trained and every weight is frozen, or all weights are trained, or nothing is.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { createRopeTable } from "#gpu-runner/ops/rope.ts"
import {
  checkModelTensors,
  type DecoderConfig,
  decoderLinearShapes,
  decoderTensorShapes,
  InvalidModel,
  layerPath,
  type RopeOptions,
} from "#shared/formats/decoder-config.ts"
import { type Adapter, type AdapterModule, adapterTensorName } from "#shared/formats/peft.ts"
import { asFloat32, type Tensor as StoredTensor } from "#shared/formats/safetensors.ts"
import type { AttentionBlock } from "./attention-block.ts"
import type { Linear, LowRank, Weight } from "./linear.ts"
import type { MlpBlock } from "./mlp-block.ts"
import { ParameterBank, type ParameterSpec } from "./parameter-bank.ts"

/** One layer; its blocks hold what the config gives it. */
export interface DecoderLayer {
  readonly attention: AttentionBlock
  readonly mlp: MlpBlock
}

export interface Decoder {
  readonly config: DecoderConfig
  readonly embedding: Weight
  readonly layers: readonly DecoderLayer[]
  readonly finalNorm: Weight
  /** The same weight as `embedding` where the config ties them: both gradients are added into one. */
  readonly head: Weight
  /** What is trained; undefined for a model that only scores. */
  readonly trained: ParameterBank | undefined
  /** Gives all of the model's buffers back to the pool. */
  readonly release: () => void
}

export interface DecoderSource {
  readonly config: DecoderConfig
  /** Weights by Hugging Face name: F32, F16 or BF16, widened to f32. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

export interface DecoderOptions {
  /** Positions 0 to positionCount − 1 can be computed: the longest row. */
  readonly positionCount: number
  readonly adapter?: Adapter | undefined
  /** `adapter` needs one; `weights` excludes one. */
  readonly train?: "adapter" | "weights" | "nothing" | undefined
}

/** Uploads a model. Errors: InvalidModel, TensorTooLarge. */
export function createDecoder(context: OpContext, source: DecoderSource, options: DecoderOptions): Decoder {
  const { config, tensors } = source
  checkModelTensors(config, tensors)
  checkPositions(config, options.positionCount)
  const { adapter, train = "nothing" } = options
  if (train === "adapter" ? !adapter : train === "weights" && adapter) {
    throw new TypeError(`training "${train}" ${adapter ? "excludes" : "needs"} an adapter`)
  }
  const trained = trainedBank(context, source, adapter, train)
  const frozen: Tensor[] = []
  const permanent = (name: string, shape: readonly number[], values: Float32Array): Weight => {
    const value = context.memory.allocatePermanent(shape, "f32", name)
    frozen.push(value)
    upload(context, value, values)
    return { value }
  }
  const weights = new Map<string, Weight>()
  for (const [name, shape] of decoderTensorShapes(config)) {
    const isTrained = train === "weights"
    weights.set(name, isTrained ? view(trained!, name) : permanent(name, shape, asFloat32(tensors.get(name)!)))
  }
  const matrix = (path: string, letter: "A" | "B"): Weight => {
    const name = adapterTensorName(path, letter)
    if (train === "adapter") return view(trained!, name)
    const module = adapter!.modules.get(path)!
    return permanent(name, matrixShape(module, adapter!.settings.rank, letter), letter === "A" ? module.a : module.b)
  }
  const ropeTables = createRopeTables(context, config, options.positionCount)
  frozen.push(...new Set(ropeTables))
  const release = () => {
    trained?.release()
    for (const tensor of frozen) context.memory.release(tensor)
  }
  return { ...assemble(config, weights, lowRanksOf(config, adapter, matrix), ropeTables), trained, release }
}

/** The same model without its adapter, on the same buffers: the reference of a freshly adapted policy. */
export function withoutAdapter(model: Decoder): Decoder {
  const plain = ({ weight, bias }: Linear): Linear => ({ weight, bias })
  const layers = model.layers.map(({ attention, mlp }): DecoderLayer => {
    const { query, key, value, output } = attention
    return {
      attention: { ...attention, query: plain(query), key: plain(key), value: plain(value), output: plain(output) },
      mlp: { ...mlp, gate: plain(mlp.gate), up: plain(mlp.up), down: plain(mlp.down) },
    }
  })
  return { ...model, layers }
}

/**
 * Under `dynamic` rope scaling a sequence longer than the model's maximum has frequencies that follow from its own length: a prompt
 * that two responses share would need two of them. Up to the maximum they are the unscaled ones, which is exact.
 */
function checkPositions({ layers, maxPositions }: DecoderConfig, positionCount: number): void {
  if (positionCount <= maxPositions || layers.every(({ rope }) => rope.scaling?.type !== "dynamic")) return
  throw new InvalidModel(
    `rows of ${positionCount} tokens are longer than max_position_embeddings ${maxPositions}, where rope type "dynamic" gives each ` +
      `sequence frequencies of its own, which is not supported; set maxLength to at most ${maxPositions}`,
  )
}

/** Each layer's table; layers that turn alike share one. */
function createRopeTables(context: OpContext, { headSize, layers }: DecoderConfig, positionCount: number): Tensor[] {
  const tables = new Map<string, Tensor>()
  return layers.map(({ rope }: { readonly rope: RopeOptions }) => {
    const key = JSON.stringify(rope)
    const table = tables.get(key) ?? createRopeTable(context, { positionCount, headSize, ...rope })
    tables.set(key, table)
    return table
  })
}

function lowRanksOf(
  config: DecoderConfig,
  adapter: Adapter | undefined,
  matrix: (path: string, letter: "A" | "B") => Weight,
): Map<string, LowRank> {
  const lowRanks = new Map<string, LowRank>()
  const inLayer = [...decoderLinearShapes(config).keys()]
  for (let layer = 0; layer < config.layerCount; layer++) {
    inLayer.forEach((name, index) => {
      const path = `${layerPath(layer)}.${name}`
      if (!adapter?.modules.has(path)) return
      const stream = layer * inLayer.length + index
      lowRanks.set(path, { a: matrix(path, "A"), b: matrix(path, "B"), scaling: adapter.scaling, stream })
    })
  }
  return lowRanks
}

function assemble(
  config: DecoderConfig,
  weights: ReadonlyMap<string, Weight>,
  lowRanks: ReadonlyMap<string, LowRank>,
  ropeTables: readonly Tensor[],
) {
  const weight = (name: string) => weights.get(`${name}.weight`)!
  const linear = (path: string): Linear => {
    return { weight: weight(path), bias: weights.get(`${path}.bias`), lowRank: lowRanks.get(path) }
  }
  const layers = config.layers.map(({ window }, index): DecoderLayer => {
    const path = layerPath(index)
    const afterAttention = weight(`${path}.post_attention_layernorm`)
    const attention: AttentionBlock = {
      norm: weight(`${path}.input_layernorm`),
      query: linear(`${path}.self_attn.q_proj`),
      key: linear(`${path}.self_attn.k_proj`),
      value: linear(`${path}.self_attn.v_proj`),
      output: linear(`${path}.self_attn.o_proj`),
      queryNorm: config.queryKeyNorm ? weight(`${path}.self_attn.q_norm`) : undefined,
      keyNorm: config.queryKeyNorm ? weight(`${path}.self_attn.k_norm`) : undefined,
      postNorm: config.postNorms ? afterAttention : undefined,
      window,
      ropeTable: ropeTables[index]!,
    }
    const mlp: MlpBlock = {
      norm: config.postNorms ? weight(`${path}.pre_feedforward_layernorm`) : afterAttention,
      gate: linear(`${path}.mlp.gate_proj`),
      up: linear(`${path}.mlp.up_proj`),
      down: linear(`${path}.mlp.down_proj`),
      postNorm: config.postNorms ? weight(`${path}.post_feedforward_layernorm`) : undefined,
    }
    return { attention, mlp }
  })
  const embedding = weight("model.embed_tokens")
  const head = config.tieWordEmbeddings ? embedding : weight("lm_head")
  return { config, embedding, layers, finalNorm: weight("model.norm"), head }
}

function trainedBank(
  context: OpContext,
  { config, tensors }: DecoderSource,
  adapter: Adapter | undefined,
  train: DecoderOptions["train"],
): ParameterBank | undefined {
  if (train === "weights") {
    const shapes = [...decoderTensorShapes(config)]
    const bank = new ParameterBank(
      context,
      shapes.map(([name, shape]): ParameterSpec => ({ name, shape, decays: shape.length > 1 })),
    )
    bank.write("parameter", (name) => asFloat32(tensors.get(name)!))
    return bank
  }
  if (train !== "adapter") return undefined
  const matrices = new Map<string, { readonly shape: readonly number[]; readonly values: Float32Array }>()
  for (const [path, module] of adapter!.modules) {
    for (const letter of ["A", "B"] as const) {
      const shape = matrixShape(module, adapter!.settings.rank, letter)
      matrices.set(adapterTensorName(path, letter), { shape, values: letter === "A" ? module.a : module.b })
    }
  }
  const bank = new ParameterBank(
    context,
    [...matrices].map(([name, { shape }]): ParameterSpec => ({ name, shape, decays: true })),
  )
  bank.write("parameter", (name) => matrices.get(name)!.values)
  return bank
}

function matrixShape({ a, b }: AdapterModule, rank: number, letter: "A" | "B"): readonly number[] {
  return letter === "A" ? [rank, a.length / rank] : [b.length / rank, rank]
}

function view(bank: ParameterBank, name: string): Weight {
  return { value: bank.parameter(name), gradient: bank.gradient(name) }
}
