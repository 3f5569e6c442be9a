// AdamW's state for shards of parameters: moments in f32, or in block-wise 8 bits for every parameter of at least 4096 elements. It is
// read and written by parameter name, so that a checkpoint does not depend on how shards were cut.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { type HostArray, readback, upload } from "#gpu-runner/device/transfer.ts"
import { type AdamwOptions, adamw } from "./adamw.ts"
import { adamw8bit, createDynamicMaps, createMoments8bit, MOMENT_BLOCK_SIZE, type Moments8bit } from "./adamw-8bit.ts"

export type Optimiser = "adamw" | "adamw-8bit"

/** What a shard of the parameter bank is to the optimiser. */
export interface OptimisedShard {
  /** f32 [N] */
  readonly parameter: Tensor
  /** f32 [N] */
  readonly gradient: Tensor
  readonly decays: boolean
  /** Keeps f32 moments under every optimiser. */
  readonly isSmall: boolean
  readonly slots: readonly OptimisedSlot[]
}

/** Where a parameter, or a range of it, lies in its shard; a parameter's ranges follow each other. In elements. */
interface OptimisedSlot {
  readonly name: string
  readonly offset: number
  readonly length: number
  /** Where the range begins in the parameter: in 8 bits a multiple of a block. */
  readonly start: number
}

/** Below this, moments stay f32, as bitsandbytes' `min_8bit_size`. */
const SMALLEST_8BIT_ELEMENTS = 4096

/** How parameters must lie in their shards: in 8 bits each begins a block, so that no scale is shared between two. */
export function adamwLayout(optimiser: Optimiser) {
  return optimiser === "adamw-8bit"
    ? { alignmentElements: MOMENT_BLOCK_SIZE, smallBelowElements: SMALLEST_8BIT_ELEMENTS }
    : { alignmentElements: 64, smallBelowElements: 0 }
}

/** Bytes of both moments of a parameter. */
export function momentBytes(elements: number, optimiser: Optimiser): number {
  if (optimiser === "adamw" || elements < SMALLEST_8BIT_ELEMENTS) return 8 * elements
  return 8 * (Math.ceil(elements / 4) + Math.ceil(elements / MOMENT_BLOCK_SIZE))
}

interface MomentsF32 {
  readonly firstMoment: Tensor
  readonly secondMoment: Tensor
}

/** One tensor of a shard's state, with how many elements of the parameter one of its own stands for. */
interface Part {
  readonly kind: string
  readonly tensor: Tensor
  readonly elementsEach: number
  /** Elements that are kept or lost together. */
  readonly blockElements: number
}

interface ShardState {
  readonly shard: OptimisedShard
  readonly f32: MomentsF32 | undefined
  readonly in8bits: Moments8bit | undefined
  readonly parts: readonly Part[]
}

export class AdamwState {
  readonly #context: OpContext
  readonly #states: readonly ShardState[]
  readonly #maps: Tensor | undefined

  /** Allocates permanent, zeroed moments. */
  constructor(context: OpContext, shards: readonly OptimisedShard[], optimiser: Optimiser) {
    this.#context = context
    this.#states = shards.map((shard) => stateOf(context, shard, optimiser))
    this.#maps = this.#states.some(({ in8bits }) => in8bits) ? createDynamicMaps(context) : undefined
  }

  /** One step on every shard, in place; only shards that decay have `weightDecay`. `clip` is clipCoefficient's [norm, coefficient]. */
  update(options: AdamwOptions, clip: Tensor): void {
    for (const { shard, f32, in8bits } of this.#states) {
      const own = { ...options, weightDecay: shard.decays ? options.weightDecay : 0 }
      if (f32) adamw(this.#context, [{ ...shard, ...f32 }], own, clip)
      else adamw8bit(this.#context, this.#maps!, [{ ...shard, moments: in8bits! }], own, clip)
    }
  }

  /** All state by `kind/parameter name`, with one readback. */
  async read(): Promise<Map<string, HostArray>> {
    const buffers = await readback(this.#context, this.#tensors())
    const values = new Map<string, HostArray[]>()
    let next = 0
    for (const { shard, parts } of this.#states) {
      for (const part of parts) {
        const bits = buffers[next++]!
        const whole = part.tensor.dtype === "u32" ? new Uint32Array(bits.buffer) : bits
        for (const slot of shard.slots) {
          const { offset, length } = shareOf(slot, part)
          const key = `${part.kind}/${slot.name}`
          values.set(key, [...(values.get(key) ?? []), whole.slice(offset, offset + length)])
        }
      }
    }
    return new Map([...values].map(([key, ranges]) => [key, joined(ranges)] as const))
  }

  /** Overwrites all state. Errors: ShapeMismatch when a value has another length or type. */
  write(stored: (name: string) => HostArray): void {
    for (const { shard, parts } of this.#states) {
      for (const part of parts) {
        const { kind, tensor } = part
        const whole = tensor.dtype === "u32" ? new Uint32Array(tensor.shape[0]!) : new Float32Array(tensor.shape[0]!)
        for (const slot of shard.slots) {
          const value = stored(`${kind}/${slot.name}`)
          const wanted = this.#lengthOf(kind, slot.name)
          if (value.length !== wanted || value.constructor !== whole.constructor) {
            throw new ShapeMismatch(
              "AdamwState.write",
              `${kind} of ${slot.name} needs ${wanted} elements of ${tensor.dtype}`,
            )
          }
          const { offset, length, start } = shareOf(slot, part)
          whole.set(value.subarray(start, start + length), offset)
        }
        upload(this.#context, tensor, whole)
      }
    }
  }

  /** Gives the buffers back to the pool; the state must not be used afterwards. */
  release(): void {
    for (const tensor of [...this.#tensors(), ...(this.#maps ? [this.#maps] : [])]) this.#context.memory.release(tensor)
  }

  #lengthOf(kind: string, name: string): number {
    let sum = 0
    for (const { shard, parts } of this.#states) {
      const part = parts.find((candidate) => candidate.kind === kind)
      if (!part) continue
      for (const slot of shard.slots) if (slot.name === name) sum += shareOf(slot, part).length
    }
    return sum
  }

  #tensors(): Tensor[] {
    return this.#states.flatMap(({ parts }) => parts.map(({ tensor }) => tensor))
  }
}

function stateOf(context: OpContext, shard: OptimisedShard, optimiser: Optimiser): ShardState {
  if (optimiser === "adamw-8bit" && !shard.isSmall) {
    const in8bits = createMoments8bit(context, shard.parameter)
    const parts = Object.entries(in8bits).map(
      ([kind, tensor]): Part => ({
        kind,
        tensor,
        elementsEach: kind.endsWith("Codes") ? 4 : MOMENT_BLOCK_SIZE,
        blockElements: MOMENT_BLOCK_SIZE,
      }),
    )
    return { shard, f32: undefined, in8bits, parts }
  }
  const f32 = {
    firstMoment: zeroed(context, shard, "first_moment"),
    secondMoment: zeroed(context, shard, "second_moment"),
  }
  const parts = Object.entries(f32).map(([kind, tensor]): Part => ({ kind, tensor, elementsEach: 1, blockElements: 1 }))
  return { shard, f32, in8bits: undefined, parts }
}

/**
 * A slot's share of a state tensor, in the tensor's own elements. In 8 bits that is whole blocks: the codes past the parameter's end stand
 * for 0 and are no zeros, and another code there would count for the block's scale.
 */
function shareOf({ offset, length, start }: OptimisedSlot, { elementsEach, blockElements }: Part) {
  return {
    offset: offset / elementsEach,
    length: (Math.ceil(length / blockElements) * blockElements) / elementsEach,
    start: start / elementsEach,
  }
}

function joined(ranges: readonly HostArray[]): HostArray {
  const [first, ...further] = ranges
  if (further.length === 0) return first!
  const length = ranges.reduce((sum, range) => sum + range.length, 0)
  const whole = first instanceof Uint32Array ? new Uint32Array(length) : new Float32Array(length)
  let start = 0
  for (const range of ranges) {
    whole.set(range, start)
    start += range.length
  }
  return whole
}

function zeroed(context: OpContext, { parameter }: OptimisedShard, name: string): Tensor {
  const tensor = context.memory.allocatePermanent(parameter.shape, "f32", `${parameter.label}.${name}`)
  context.recorder.clear(tensor)
  return tensor
}
