// The parameters of a Llama decoder on the device, f32: frozen weights as tensors of their own, trained ones in a bank.
// Either a LoRA adapter is trained and every weight is frozen, or all weights are trained, or nothing is.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { createRopeTable } from "#gpu-runner/ops/rope.ts"
import {
  checkModelTensors,
  type DecoderConfig,
  decoderTensorShapes,
  layerPath,
} from "#shared/formats/decoder-config.ts"
import { type Adapter, type AdapterModule, adapterTensorName } from "#shared/formats/peft.ts"
import { asFloat32, type Tensor as StoredTensor } from "#shared/formats/safetensors.ts"
import type { Linear, LowRank, Weight } from "./linear.ts"
import { ParameterBank, type ParameterSpec } from "./parameter-bank.ts"

export interface DecoderLayer {
  readonly inputNorm: Weight
  readonly query: Linear
  readonly key: Linear
  readonly value: Linear
  readonly output: Linear
  readonly postAttentionNorm: Weight
  readonly gate: Linear
  readonly up: Linear
  readonly down: Linear
}

export interface Decoder {
  readonly config: DecoderConfig
  readonly embedding: Weight
  readonly layers: readonly DecoderLayer[]
  readonly finalNorm: Weight
  /** The same weight as `embedding` where the config ties them: both gradients are added into one. */
  readonly head: Weight
  /** [positions, D] */
  readonly ropeTable: Tensor
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
  const shapes = decoderTensorShapes(config)
  const weights = new Map<string, Weight>()
  for (const [name, shape] of shapes) {
    const isTrained = train === "weights"
    weights.set(name, isTrained ? view(trained!, name) : permanent(name, shape, asFloat32(tensors.get(name)!)))
  }
  const lowRanks = new Map<string, LowRank>()
  for (const [path, module] of adapter?.modules ?? []) {
    const matrix = (letter: "A" | "B"): Weight => {
      const name = adapterTensorName(path, letter)
      if (train === "adapter") return view(trained!, name)
      return permanent(name, matrixShape(module, adapter!.settings.rank, letter), letter === "A" ? module.a : module.b)
    }
    lowRanks.set(path, { a: matrix("A"), b: matrix("B"), scaling: adapter!.scaling })
  }
  const { headSize, ropeTheta: theta } = config
  const ropeTable = createRopeTable(context, { positionCount: options.positionCount, headSize, theta })
  frozen.push(ropeTable)
  const release = () => {
    trained?.release()
    for (const tensor of frozen) context.memory.release(tensor)
  }
  return { ...assemble(config, weights, lowRanks), ropeTable, trained, release }
}

/** The same model without its adapter, on the same buffers: the reference of a freshly adapted policy. */
export function withoutAdapter(model: Decoder): Decoder {
  const plain = ({ weight }: Linear): Linear => ({ weight })
  const layers = model.layers.map((layer) => ({
    ...layer,
    query: plain(layer.query),
    key: plain(layer.key),
    value: plain(layer.value),
    output: plain(layer.output),
    gate: plain(layer.gate),
    up: plain(layer.up),
    down: plain(layer.down),
  }))
  return { ...model, layers }
}

function assemble(config: DecoderConfig, weights: ReadonlyMap<string, Weight>, lowRanks: ReadonlyMap<string, LowRank>) {
  const weight = (name: string) => weights.get(`${name}.weight`)!
  const linear = (path: string): Linear => ({ weight: weight(path), lowRank: lowRanks.get(path) })
  const embedding = weight("model.embed_tokens")
  const layers = Array.from({ length: config.layerCount }, (_, index): DecoderLayer => {
    const path = layerPath(index)
    return {
      inputNorm: weight(`${path}.input_layernorm`),
      query: linear(`${path}.self_attn.q_proj`),
      key: linear(`${path}.self_attn.k_proj`),
      value: linear(`${path}.self_attn.v_proj`),
      output: linear(`${path}.self_attn.o_proj`),
      postAttentionNorm: weight(`${path}.post_attention_layernorm`),
      gate: linear(`${path}.mlp.gate_proj`),
      up: linear(`${path}.mlp.up_proj`),
      down: linear(`${path}.mlp.down_proj`),
    }
  })
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
