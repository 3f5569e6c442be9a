// Trained parameters with their gradients. Each kind lies in a few long buffers, so that clearing, clipping, updating and reading
// back take one dispatch or copy each, not one per tensor. A parameter is a view into them; a matrix larger than one binding is several,
// a range of rows each. Moments are the optimiser's.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { MemoryMisuse } from "#gpu-runner/device/errors.ts"
import { elementCount, type Tensor } from "#gpu-runner/device/tensor.ts"
import { readback, upload } from "#gpu-runner/device/transfer.ts"
import { rowRanges } from "#gpu-runner/ops/matmul/matrix-ranges.ts"

export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  /** Norm weights do not decay, as in transformers' Trainer. */
  readonly decays: boolean
}

/** Where a parameter, or a range of it, lies in its shard's buffers, in elements. */
export interface ShardSlot {
  readonly name: string
  readonly offset: number
  readonly length: number
  /** Where the range begins in the parameter; a parameter's ranges follow each other in slots and shards. */
  readonly start: number
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

// What is written to a shard is put together on the host first.
const MOST_SHARD_BYTES = 2 ** 30

const PLAIN_LAYOUT: BankLayout = { alignmentElements: 64, smallBelowElements: 0 }

/** What can be read and written by a parameter's name. */
export type StateKind = "parameter" | "gradient"

interface Slot extends ShardSlot {
  readonly shape: readonly number[]
  readonly shard: number
}

export class ParameterBank {
  readonly shards: readonly Shard[]
  readonly #context: OpContext
  /** In the order of each parameter's ranges. */
  readonly #slots: ReadonlyMap<string, readonly Slot[]>

  /** Allocates permanent, zeroed buffers. Errors: TensorTooLarge. */
  constructor(context: OpContext, specs: readonly ParameterSpec[], layout: BankLayout = PLAIN_LAYOUT) {
    this.#context = context
    const { slots, sizes } = layOut(context, specs, layout)
    this.#slots = slots
    const all = [...slots.values()].flat()
    this.shards = sizes.map(({ length, decays, isSmall }, index) => ({
      parameter: zeroed(context, length, `parameters.${index}`),
      gradient: zeroed(context, length, `gradients.${index}`),
      decays,
      isSmall,
      slots: all.filter(({ shard }) => shard === index),
    }))
  }

  get names(): readonly string[] {
    return [...this.#slots.keys()]
  }

  /** A parameter as a tensor of its own shape, on the shared buffer. One that lies in several ranges is MemoryMisuse. */
  parameter(name: string): Tensor {
    return this.#whole(name, "parameter")
  }

  /** Where backward passes add the parameter's gradient; as `parameter`. */
  gradient(name: string): Tensor {
    return this.#whole(name, "gradient")
  }

  /** A parameter, or its gradient, as one tensor or as one for each range of its rows. */
  ranges(name: string, kind: StateKind): readonly Tensor[] {
    return this.#slotsOf(name).map((slot) => this.#view(slot, kind))
  }

  zeroGradients(): void {
    for (const { gradient } of this.shards) this.#context.recorder.clear(gradient)
  }

  /** Overwrites one kind of state; every parameter of the bank must be given. */
  write(kind: StateKind, valuesOf: (name: string) => Float32Array): void {
    for (const shard of this.shards) {
      const values = new Float32Array(shard[kind].shape[0]!)
      for (const { name, offset, start, length } of shard.slots) {
        const given = valuesOf(name)
        const wanted = this.#lengthOf(name)
        if (given.length !== wanted) {
          throw new MemoryMisuse(`${name} has ${wanted} elements, ${given.length} were given`)
        }
        values.set(given.subarray(start, start + length), offset)
      }
      upload(this.#context, shard[kind], values)
    }
  }

  /** The values of the asked kinds by parameter name, with one readback. */
  async read<Kind extends StateKind>(...kinds: readonly Kind[]): Promise<Record<Kind, Map<string, Float32Array>>> {
    const buffers = await readback(
      this.#context,
      kinds.flatMap((kind) => this.shards.map((shard) => shard[kind])),
    )
    const byKind = kinds.map((kind, position) => {
      const parts = buffers.slice(position * this.shards.length)
      const values = this.names.map((name) => {
        const value = new Float32Array(this.#lengthOf(name))
        for (const { shard, offset, start, length } of this.#slotsOf(name)) {
          value.set(parts[shard]!.subarray(offset, offset + length), start)
        }
        return [name, value] as const
      })
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

  #slotsOf(name: string): readonly Slot[] {
    const slots = this.#slots.get(name)
    if (!slots) throw new MemoryMisuse(`the bank has no parameter ${name}`)
    return slots
  }

  #lengthOf(name: string): number {
    return this.#slotsOf(name).reduce((sum, { length }) => sum + length, 0)
  }

  #whole(name: string, kind: StateKind): Tensor {
    const [view, ...further] = this.ranges(name, kind)
    if (further.length > 0) throw new MemoryMisuse(`${name} lies in ${further.length + 1} ranges`)
    return view!
  }

  #view({ name, shard, offset, length, shape }: Slot, kind: StateKind): Tensor {
    const whole = this.shards[shard]![kind]
    return { ...whole, byteOffset: offset * 4, shape, byteLength: length * 4, label: `${kind}.${name}` }
  }
}

interface ShardSize {
  length: number
  readonly decays: boolean
  readonly isSmall: boolean
}

/** Fills shards in order; a shard holds parameters of one sort, and at most as many elements as one binding or 1 GiB. */
function layOut(context: OpContext, specs: readonly ParameterSpec[], layout: BankLayout) {
  const { maxStorageBufferBindingSize, maxBufferSize } = context.gpu.limits
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize, MOST_SHARD_BYTES) / 4
  const sizes: ShardSize[] = []
  const placed = (name: string, sort: Omit<ShardSize, "length">, { start, shape }: ParameterRange): Slot => {
    const length = elementCount(shape, name)
    const padded = Math.ceil(length / layout.alignmentElements) * layout.alignmentElements
    let shard = sizes.findLastIndex(({ decays, isSmall }) => decays === sort.decays && isSmall === sort.isSmall)
    if (shard < 0 || sizes[shard]!.length + padded > limit) shard = sizes.push({ length: 0, ...sort }) - 1
    const offset = sizes[shard]!.length
    sizes[shard]!.length += padded
    return { name, shape, shard, offset, length, start }
  }
  const slots = new Map<string, readonly Slot[]>()
  for (const { name, shape, decays } of specs) {
    const sort = { decays, isSmall: elementCount(shape, name) < layout.smallBelowElements }
    const ranges = rangesOf(context, name, shape)
    slots.set(
      name,
      ranges.map((range) => placed(name, sort, range)),
    )
  }
  return { slots, sizes }
}

interface ParameterRange {
  readonly start: number
  readonly shape: readonly number[]
}

function rangesOf({ matrixRangeBytes }: OpContext, name: string, shape: readonly number[]): readonly ParameterRange[] {
  const [rows, columns] = shape
  if (rows === undefined || columns === undefined) return [{ start: 0, shape }]
  return rowRanges(matrixRangeBytes, rows, columns, name).map(({ firstRow, rowCount }) => {
    return { start: firstRow * columns, shape: [rowCount, columns] }
  })
}

function zeroed(context: OpContext, length: number, label: string): Tensor {
  const tensor = context.memory.allocatePermanent([length], "f32", label)
  context.recorder.clear(tensor)
  return tensor
}
