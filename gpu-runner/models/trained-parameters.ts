// The parameters that a run trains, in their bank: the matrices of an adapter, or all weights.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { type Adapter, type AdapterModule, adapterTensorName } from "#shared/formats/peft/adapter.ts"
import { asFloat32, type Tensor as StoredTensor } from "#shared/formats/weights/safetensors.ts"
import type { Weight } from "./linear.ts"
import { type BankLayout, ParameterBank, type ParameterSpec } from "./parameter-bank.ts"

export interface TrainedOptions {
  readonly adapter: Adapter | undefined
  readonly train: "adapter" | "weights" | "nothing" | undefined
  readonly bankLayout: BankLayout | undefined
}

/** The bank with the values that training starts from; undefined where nothing is trained. */
export function trainedBank(
  context: OpContext,
  { config, tensors }: { readonly config: DecoderConfig; readonly tensors: ReadonlyMap<string, StoredTensor> },
  options: TrainedOptions,
): ParameterBank | undefined {
  const bank = emptyBank(context, config, options)
  if (options.train === "weights") bank?.write("parameter", (name) => asFloat32(tensors.get(name)!))
  else if (bank) {
    const values = adapterValues(options.adapter!)
    bank.write("parameter", (name) => values.get(name)!)
  }
  return bank
}

/** The same bank, zeroed. */
export function emptyBank(
  context: OpContext,
  config: DecoderConfig,
  { adapter, train, bankLayout }: TrainedOptions,
): ParameterBank | undefined {
  if (train === "weights") return new ParameterBank(context, weightSpecs(config), bankLayout)
  return train === "adapter" ? new ParameterBank(context, adapterSpecs(adapter!), bankLayout) : undefined
}

function weightSpecs(config: DecoderConfig): ParameterSpec[] {
  return [...decoderTensorShapes(config)].map(([name, shape]) => ({ name, shape, decays: shape.length > 1 }))
}

const LETTERS = ["A", "B"] as const

function adapterSpecs({ modules, settings }: Adapter): ParameterSpec[] {
  return [...modules].flatMap(([path, module]) =>
    LETTERS.map((letter) => ({
      name: adapterTensorName(path, letter),
      shape: lowRankShape(module, settings.rank, letter),
      decays: true,
    })),
  )
}

function adapterValues({ modules }: Adapter): ReadonlyMap<string, Float32Array> {
  const entries = [...modules].flatMap(([path, { a, b }]) => [
    [adapterTensorName(path, "A"), a] as const,
    [adapterTensorName(path, "B"), b] as const,
  ])
  return new Map(entries)
}

/** [r, in] of A, [out, r] of B. */
export function lowRankShape({ a, b }: AdapterModule, rank: number, letter: "A" | "B"): readonly number[] {
  return letter === "A" ? [rank, a.length / rank] : [b.length / rank, rank]
}

/** A parameter of the bank. */
export function trainedWeight(bank: ParameterBank, name: string): Weight {
  return { value: bank.parameter(name), gradient: bank.gradient(name) }
}
