// The parameters of a decoder on the device: trained ones f32 in a bank, frozen ones by themselves, matrices among them in fewer bits.
// Either a LoRA adapter is trained and every weight is frozen, or all weights are trained, or nothing is.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { defaultLogitsBytes, type HeadOptions } from "#gpu-runner/ops/head/head-chunks.ts"
import { releaseWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { createRopeTable } from "#gpu-runner/ops/rows/rope.ts"
import {
  type DecoderConfig,
  decoderLinearShapes,
  decoderTensorShapes,
  layerPath,
  type RopeOptions,
} from "#shared/formats/families/decoder-config.ts"
import { type Adapter, adapterTensorName } from "#shared/formats/peft/adapter.ts"
import { type BaseWeights, heldKind } from "#shared/formats/weights/base-weights.ts"
import type { HostMatrix, WeightKind } from "#shared/formats/weights/quantisation.ts"
import { asFloat32, type Tensor as StoredTensor } from "#shared/formats/weights/safetensors.ts"
import type { AdapterDropout } from "./adapter-dropout.ts"
import type { AttentionBlock } from "./attention-block.ts"
import { checkSource } from "./check-source.ts"
import { type Matrix, trainedMatrix, uploadFrozen } from "./frozen-weight.ts"
import { allocateJoined, type JoinedLinears } from "./joined-linears.ts"
import type { Linear, LowRank, Weight } from "./linear.ts"
import { mapLinears } from "./map-linears.ts"
import type { MlpBlock } from "./mlp-block.ts"
import type { BankLayout, ParameterBank } from "./parameter-bank.ts"
import { lowRankShape, trainedBank, trainedWeight } from "./trained-parameters.ts"

/** One layer; its blocks hold what the config gives it. */
export interface DecoderLayer {
  readonly attention: AttentionBlock
  readonly mlp: MlpBlock
}

export interface Decoder {
  readonly config: DecoderConfig
  readonly embedding: Matrix
  readonly layers: readonly DecoderLayer[]
  readonly finalNorm: Weight
  /** The same weight as `embedding` where the config ties them: both gradients are added into one. */
  readonly head: Matrix
  /** Bytes of logits that the head keeps alive at once. */
  readonly logitsBytes: number
  /** Of the adapter's inputs, in training passes only: see withDropout. */
  readonly dropout?: AdapterDropout | undefined
  /** What is trained; undefined for a model that only scores. */
  readonly trained: ParameterBank | undefined
  /** Gives all of the model's buffers back to the pool. */
  readonly release: () => void
}

export interface DecoderSource {
  readonly config: DecoderConfig
  /** Weights by Hugging Face name: F32, F16 or BF16. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** How a matrix is brought into the kind that it is held in; storeMatrix by default. */
  readonly store?: ((tensor: StoredTensor, kind: WeightKind) => HostMatrix) | undefined
}

export interface DecoderOptions {
  /** Positions 0 to positionCount − 1 can be computed: the longest row. */
  readonly positionCount: number
  readonly adapter?: Adapter | undefined
  /** Adapters of the same base side by side, each for the rows that a pass names (layer-pass.ts): for models that generate. */
  readonly voices?: readonly Adapter[] | undefined
  /** `adapter` needs one; `weights` excludes one. */
  readonly train?: "adapter" | "weights" | "nothing" | undefined
  /** How trained parameters lie in their bank, where the optimiser wants it otherwise than plain. */
  readonly bankLayout?: BankLayout | undefined
  /** Bytes of logits alive at once: more make the head faster, on GPUs up to some hundreds of rows. By default as suits the adapter. */
  readonly logitsBytes?: number | undefined
  /** How frozen matrices are held: by default in the checkpoint's own dtype. Trained weights are f32 whatever it says. */
  readonly baseWeights?: BaseWeights | undefined
  /** Told after each tensor of the base: holding a large one in few bits takes minutes. */
  readonly onUploaded?: ((done: number, total: number) => void) | undefined
}

/** Uploads a model. Errors: InvalidModel, UnstorableWeight, TensorTooLarge; nothing stays on the device then. */
export function createDecoder(context: OpContext, source: DecoderSource, options: DecoderOptions): Decoder {
  checkSource(source, options.positionCount)
  const { adapter, train = "nothing" } = options
  if (train === "adapter" ? !adapter : train === "weights" && adapter) {
    throw new TypeError(`training "${train}" ${adapter ? "excludes" : "needs"} an adapter`)
  }
  const releases: (() => void)[] = []
  const release = () => {
    for (const giveBack of releases) giveBack()
  }
  try {
    const { logitsBytes = defaultLogitsBytes(context.gpu.lane) } = options
    return { ...uploadDecoder(context, source, { ...options, train }, releases), logitsBytes, release }
  } catch (error) {
    release()
    throw error
  }
}

/** Allocates and uploads everything; adds to `releases` what gives it back. */
function uploadDecoder(
  context: OpContext,
  source: DecoderSource,
  { adapter, voices, train, positionCount, baseWeights = "stored", bankLayout, onUploaded }: DecoderOptions,
  releases: (() => void)[],
): Omit<Decoder, "release" | "logitsBytes"> {
  const { config, tensors } = source
  const trained = trainedBank(context, source, { adapter, train, bankLayout })
  if (trained) releases.push(() => trained.release())
  const keep = (tensor: Tensor) => releases.push(() => context.memory.release(tensor))
  const permanent = (name: string, shape: readonly number[], values: Float32Array): Weight => {
    const value = context.memory.allocatePermanent(shape, "f32", name)
    keep(value)
    upload(context, value, values)
    return { value }
  }
  const kindOf = (name: string) => heldKind(tensors.get(name)!, baseWeights)
  const { joined, places } = allocateJoined(context, config, kindOf)
  for (const { stored } of joined.values()) releases.push(() => releaseWeight(context, stored))
  const weights: Weights = { vectors: new Map(), matrices: new Map(), joined }
  const shapes = [...decoderTensorShapes(config)]
  for (const [index, [name, shape]] of shapes.entries()) {
    const tensor = tensors.get(name)!
    if (train === "weights") addTrained(weights, trained!, name, shape)
    else if (shape.length === 1) weights.vectors.set(name, permanent(name, shape, asFloat32(tensor)))
    else {
      const place = places.get(name)
      const matrix = uploadFrozen(context, tensor, baseWeights, source.store, place)
      if (!place) releases.push(() => releaseWeight(context, matrix.stored))
      weights.matrices.set(name, matrix)
    }
    onUploaded?.(index + 1, shapes.length)
  }
  const lowRankMatrix = (path: string, letter: "A" | "B"): Weight => {
    const name = adapterTensorName(path, letter)
    if (train === "adapter") return trainedWeight(trained!, name)
    const module = adapter!.modules.get(path)!
    return permanent(name, lowRankShape(module, adapter!.settings.rank, letter), letter === "A" ? module.a : module.b)
  }
  const ofVoices = voiceLowRanks(config, voices, permanent)
  const ropeTables = createRopeTables(context, config, positionCount)
  for (const table of new Set(ropeTables)) keep(table)
  const lowRanks = { only: lowRanksOf(config, adapter, lowRankMatrix), ofVoices }
  return { ...assembleDecoder(config, weights, lowRanks, ropeTables), trained }
}

/** A model's weights by name: norms and biases, and what multiplies. */
export interface Weights {
  readonly vectors: Map<string, Weight>
  readonly matrices: Map<string, Matrix>
  /** By the name of the first layer's weight. */
  readonly joined: ReadonlyMap<string, JoinedLinears>
}

/** A trained parameter, by its name in the bank. */
export function addTrained(
  { vectors, matrices }: Weights,
  bank: ParameterBank,
  name: string,
  shape: readonly number[],
): void {
  if (shape.length === 1) vectors.set(name, trainedWeight(bank, name))
  else matrices.set(name, trainedMatrix(bank.ranges(name, "parameter"), bank.ranges(name, "gradient")))
}

/** How the model's head is computed, and a divergence between it and another's. */
export function headOptions({ config, logitsBytes }: Decoder): HeadOptions {
  return { softCap: config.finalSoftCap, logitsBytes }
}

/** The same model without its adapter, on the same buffers: the reference of a freshly adapted policy. */
export function withoutAdapter(model: Decoder): Decoder {
  return mapLinears(model, ({ weight, bias }) => ({ weight, bias }))
}

/** The same model on the same buffers as a training step sees it: its passes drop inputs of the adapter, with masks by the seed. */
export function withDropout(model: Decoder, dropout: AdapterDropout | undefined): Decoder {
  return { ...model, dropout }
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

/** The adapter's matrices by module path. */
export function lowRanksOf(
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

/** The matrices of adapters side by side, each by module path. */
export function voiceLowRanks(
  config: DecoderConfig,
  voices: readonly Adapter[] | undefined,
  matrix: (name: string, shape: readonly number[], values: Float32Array) => Weight,
): readonly ReadonlyMap<string, LowRank>[] | undefined {
  return voices?.map((adapter, voice) =>
    lowRanksOf(config, adapter, (path, letter) => {
      const module = adapter.modules.get(path)!
      const shape = lowRankShape(module, adapter.settings.rank, letter)
      return matrix(`voice${voice}.${adapterTensorName(path, letter)}`, shape, letter === "A" ? module.a : module.b)
    }),
  )
}

/** Low-rank matrices by module path: of the model's one adapter, and of those side by side. */
export interface LowRanks {
  readonly only: ReadonlyMap<string, LowRank>
  readonly ofVoices?: readonly ReadonlyMap<string, LowRank>[] | undefined
}

/** The model's parts from its weights by name, without what is trained and what gives it back. */
export function assembleDecoder(
  config: DecoderConfig,
  weights: Weights,
  { only, ofVoices }: LowRanks,
  ropeTables: readonly Tensor[],
) {
  const weight = (name: string) => weights.vectors.get(`${name}.weight`)!
  const matrix = (name: string) => weights.matrices.get(`${name}.weight`)!
  const linear = (path: string): Linear => {
    const voices = ofVoices?.map((lowRanks) => lowRanks.get(path))
    return { weight: matrix(path), bias: weights.vectors.get(`${path}.bias`), lowRank: only.get(path), voices }
  }
  const layers = config.layers.map(({ window }, index): DecoderLayer => {
    const path = layerPath(index)
    const afterAttention = weight(`${path}.post_attention_layernorm`)
    const attention: AttentionBlock = {
      norm: weight(`${path}.input_layernorm`),
      query: linear(`${path}.self_attn.q_proj`),
      key: linear(`${path}.self_attn.k_proj`),
      value: linear(`${path}.self_attn.v_proj`),
      joined: weights.joined.get(`${path}.self_attn.q_proj.weight`),
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
      joined: weights.joined.get(`${path}.mlp.gate_proj.weight`),
      down: linear(`${path}.mlp.down_proj`),
      postNorm: config.postNorms ? weight(`${path}.post_feedforward_layernorm`) : undefined,
    }
    return { attention, mlp }
  })
  const embedding = matrix("model.embed_tokens")
  const head = config.tieWordEmbeddings ? embedding : matrix("lm_head")
  return { config, embedding, layers, finalNorm: weight("model.norm"), head }
}
