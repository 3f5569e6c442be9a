// Dropout on the input of every LoRA A, as PEFT has it. A token's mask follows from the step's seed, its row's ids and its place there, so
// that a backward pass, a recomputed forward pass and a resumed run see the masks of the first one, however memory cuts the step.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { MemoryMisuse } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { dropout as dropped } from "#gpu-runner/ops/elementwise/dropout.ts"

/** A pass that may drop inputs: of all tokens of its batch, or of the predicting ones alone. */
interface DroppingPass {
  readonly context: OpContext
  readonly dropout: AdapterDropout | undefined
  readonly batch: { readonly tokenCount: number; readonly dropoutSeeds: Tensor | undefined }
  readonly predicting: { readonly dropoutSeeds: Tensor | undefined } | undefined
}

export interface AdapterDropout {
  /** Share of input elements set to zero, in [0, 1); the others are divided by 1 − rate. 0 turns dropout off. */
  readonly rate: number
  /** u32; another one for every optimiser step. Tokens and modules have masks of their own by themselves. */
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

/** u32 of every token of some laid-out rows, from its row's ids and its place among them: equal rows have equal ones. */
export function tokenSeeds(tokenIds: Uint32Array, rowLengths: readonly number[]): Uint32Array {
  const seeds = new Uint32Array(tokenIds.length)
  let start = 0
  for (const length of rowLengths) {
    const ofRow = mixedSeed(tokenIds.subarray(start, start + length))
    for (let place = 0; place < length; place++) seeds[start + place] = mixedSeed([ofRow, place])
    start += length
  }
  return seeds
}

/** `input` with the mask of one module (its `stream`); the input itself where there is no dropout. Its gradient is the same call. */
export function dropInput(pass: DroppingPass, input: Tensor, stream: number): Tensor {
  const { context, dropout, batch, predicting } = pass
  if (!dropout || dropout.rate === 0) return input
  const isOfAll = input.shape[0] === batch.tokenCount
  const rowSeeds = isOfAll ? batch.dropoutSeeds : predicting?.dropoutSeeds
  if (!rowSeeds) throw new MemoryMisuse("the batch has no seeds for dropout; upload it for the model that drops")
  return dropped(context, input, { rate: dropout.rate, seed: mixedSeed([dropout.seed, stream]), rowSeeds })
}
