// Dropout on the input of every LoRA A, as PEFT has it. Masks follow from seeds alone, so that a backward pass, a recomputed forward
// pass and a resumed run see the masks of the first one.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { dropout as dropped } from "#gpu-runner/ops/elementwise/dropout.ts"

/** A pass that may drop inputs. */
interface DroppingPass {
  readonly context: OpContext
  readonly dropout: AdapterDropout | undefined
}

export interface AdapterDropout {
  /** Share of input elements set to zero, in [0, 1); the others are divided by 1 − rate. 0 turns dropout off. */
  readonly rate: number
  /** u32; another one for every optimiser step. Micro-batches and modules have masks of their own by themselves. */
  readonly seed: number
}

/** One u32 from several whole numbers, such as run seed and step: murmur3's rounds and finaliser over them. */
export function mixedSeed(parts: ArrayLike<number>): number {
  let hash = parts.length
  for (let i = 0; i < parts.length; i++) {
    let mixed = Math.imul(parts[i]!, 0xcc9e2d51)
    mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
    hash ^= mixed
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** `input` with the mask of one module (its `stream`); the input itself where there is no dropout. Its gradient is the same call. */
export function dropInput({ context, dropout }: DroppingPass, input: Tensor, stream: number): Tensor {
  if (!dropout || dropout.rate === 0) return input
  return dropped(context, input, { rate: dropout.rate, seed: mixedSeed([dropout.seed, stream]) })
}
