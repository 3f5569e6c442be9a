// Trained parameters with their gradients. Each kind lies in a few long buffers, so that clearing, clipping, updating and reading
// back take one dispatch or copy each, not one per tensor. A parameter is a view into them. Moments are the optimiser's.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { MemoryMisuse } from "#gpu-runner/device/errors.ts"
import { elementCount, type Tensor } from "#gpu-runner/device/tensor.ts"
import { readback, upload } from "#gpu-runner/device/transfer.ts"

export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  /** Norm weights do not decay, as in transformers' Trainer. */
  readonly decays: boolean
}

/** Where a parameter lies in its shard's buffers, in elements. */
export interface ShardSlot {
  readonly name: string
  readonly offset: number
  readonly length: number
}

/** One long buffer of each kind, both f32 [N]. */
export interface Shard {
  readonly parameter: Tensor
  readonly gradient: Tensor
  readonly decays: boolean
  /** Holds the parameters below the layout's `smallBelowElements`. */
  readonly isSmall: boolean
  readonly slots: readonly ShardSlot[]
}

export interface BankLayout {
  /** Parameters start at multiples of this: a multiple of 64, since storage bindings start at multiples of 256 bytes. */
  readonly alignmentElements: number
  /** Parameters with fewer elements lie in shards of their own. */
  readonly smallBelowElements: number
}

const PLAIN_LAYOUT: BankLayout = { alignmentElements: 64, smallBelowElements: 0 }

/** What can be read and written by a parameter's name. */
export type StateKind = "parameter" | "gradient"

interface Slot extends ParameterSpec, ShardSlot {
  readonly shard: number
}

export class ParameterBank {
  readonly shards: readonly Shard[]
  readonly #context: OpContext
  readonly #slots: ReadonlyMap<string, Slot>

  /** Allocates permanent, zeroed buffers. A parameter too large for one binding is a TensorTooLarge. */
  constructor(context: OpContext, specs: readonly ParameterSpec[], layout: BankLayout = PLAIN_LAYOUT) {
    this.#context = context
    const { slots, sizes } = layOut(specs, layout, context.gpu.limits.maxStorageBufferBindingSize / 4)
    this.#slots = new Map(slots.map((slot) => [slot.name, slot]))
    this.shards = sizes.map(({ length, decays, isSmall }, index) => ({
      parameter: zeroed(context, length, `parameters.${index}`),
      gradient: zeroed(context, length, `gradients.${index}`),
      decays,
      isSmall,
      slots: slots.filter(({ shard }) => shard === index),
    }))
  }

  get names(): readonly string[] {
    return [...this.#slots.keys()]
  }

  /** A parameter as a tensor of its own shape, on the shared buffer. */
  parameter(name: string): Tensor {
    return this.#view(name, "parameter")
  }

  /** Where backward passes add the parameter's gradient. */
  gradient(name: string): Tensor {
    return this.#view(name, "gradient")
  }

  zeroGradients(): void {
    for (const { gradient } of this.shards) this.#context.recorder.clear(gradient)
  }

  /** Overwrites one kind of state; every parameter of the bank must be given. */
  write(kind: StateKind, valuesOf: (name: string) => Float32Array): void {
    this.shards.forEach((shard, index) => {
      const values = new Float32Array(shard[kind].shape[0]!)
      for (const slot of this.#slots.values()) {
        if (slot.shard !== index) continue
        const given = valuesOf(slot.name)
        if (given.length !== slot.length) {
          throw new MemoryMisuse(`${slot.name} has ${slot.length} elements, ${given.length} were given`)
        }
        values.set(given, slot.offset)
      }
      upload(this.#context, shard[kind], values)
    })
  }

  /** The values of the asked kinds by parameter name, with one readback. */
  async read<Kind extends StateKind>(...kinds: readonly Kind[]): Promise<Record<Kind, Map<string, Float32Array>>> {
    const buffers = await readback(
      this.#context,
      kinds.flatMap((kind) => this.shards.map((shard) => shard[kind])),
    )
    const byKind = kinds.map((kind, position) => {
      const parts = buffers.slice(position * this.shards.length)
      const values = [...this.#slots.values()].map(
        ({ name, shard, offset, length }) => [name, parts[shard]!.slice(offset, offset + length)] as const,
      )
      return [kind, new Map(values)] as const
    })
    return Object.fromEntries(byKind) as Record<Kind, Map<string, Float32Array>>
  }

  /** Gives the buffers back to the pool; the bank must not be used afterwards. */
  release(): void {
    for (const { parameter, gradient } of this.shards) {
      for (const tensor of [parameter, gradient]) this.#context.memory.release(tensor)
    }
  }

  #view(name: string, kind: StateKind): Tensor {
    const slot = this.#slots.get(name)
    if (!slot) throw new MemoryMisuse(`the bank has no parameter ${name}`)
    const whole = this.shards[slot.shard]![kind]
    return {
      ...whole,
      byteOffset: slot.offset * 4,
      shape: slot.shape,
      byteLength: slot.length * 4,
      label: `${kind}.${name}`,
    }
  }
}

/** Fills shards in order; a shard holds parameters of one sort, and at most `limit` elements unless a single one needs more. */
function layOut(specs: readonly ParameterSpec[], layout: BankLayout, limit: number) {
  const { alignmentElements: alignment, smallBelowElements } = layout
  const slots: Slot[] = []
  const sizes: { length: number; decays: boolean; isSmall: boolean }[] = []
  for (const spec of specs) {
    const { decays, name } = spec
    const length = elementCount(spec.shape, name)
    const padded = Math.ceil(length / alignment) * alignment
    const isSmall = length < smallBelowElements
    let shard = sizes.findLastIndex((size) => size.decays === decays && size.isSmall === isSmall)
    if (shard < 0 || sizes[shard]!.length + padded > limit) shard = sizes.push({ length: 0, decays, isSmall }) - 1
    slots.push({ ...spec, shard, offset: sizes[shard]!.length, length })
    sizes[shard]!.length += padded
  }
  return { slots, sizes }
}

function zeroed(context: OpContext, length: number, label: string): Tensor {
  const tensor = context.memory.allocatePermanent([length], "f32", label)
  context.recorder.clear(tensor)
  return tensor
}
