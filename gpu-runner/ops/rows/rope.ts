// Rotary position embedding in Hugging Face's half-rotation layout. Cosines and sines come from a table made on the host in f64.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { ropeFrequencies, type TurningHead } from "#shared/formats/families/rope-frequencies.ts"
import { lane4Of, lane4sPerRow } from "../choose-variant.ts"
import { expectShape, matrixShape } from "../expect-shape.ts"

const ropeKernel = loadKernel("rope", lane4Variants())

export interface RopeTableOptions extends TurningHead {
  /** Positions 0 to positionCount - 1 can be looked up. */
  readonly positionCount: number
}

/** A permanent table [positionCount, D]: D/2 cosines, then D/2 sines of each position, rounded once from f64. Errors: ShapeMismatch. */
export function createRopeTable(context: OpContext, options: RopeTableOptions): Tensor {
  const { positionCount, headSize, scaling } = options
  if (scaling?.type === "dynamic" && positionCount > scaling.originalMaxPositions) {
    const most = scaling.originalMaxPositions
    throw new ShapeMismatch("rope", `${positionCount} positions with dynamic scaling; at most ${most} are supported`)
  }
  if (headSize % 2 !== 0) throw new ShapeMismatch("rope", `head size ${headSize} is odd`)
  const frequencies = ropeFrequencies(options)
  const half = headSize / 2
  const values = new Float32Array(positionCount * headSize)
  for (let position = 0; position < positionCount; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * frequencies[i]!
      values[position * headSize + i] = Math.cos(angle)
      values[position * headSize + half + i] = Math.sin(angle)
    }
  }
  const table = context.memory.allocatePermanent([positionCount, headSize], "f32", "rope.table")
  upload(context, table, values)
  return table
}

/** Rotates every head of input [T, H·D] by its token's position (u32 [T], below the table's length). New tensor. */
export function rope(context: OpContext, input: Tensor, positions: Tensor, table: Tensor): Tensor {
  return rotate(context, input, positions, table, 1)
}

/** The gradient of rope's input: the rotation turned back. */
export function ropeBackward(context: OpContext, dOutput: Tensor, positions: Tensor, table: Tensor): Tensor {
  return rotate(context, dOutput, positions, table, -1)
}

function rotate(context: OpContext, input: Tensor, positions: Tensor, table: Tensor, direction: 1 | -1): Tensor {
  const [tokens, columns] = matrixShape("rope", "input", input)
  const [, headSize] = matrixShape("rope", "table", table)
  expectShape("rope", "positions", positions, [tokens], "u32")
  if (columns % headSize !== 0) {
    throw new ShapeMismatch("rope", `${input.label} has ${columns} columns, no multiple of the head size ${headSize}`)
  }
  const halfLane4s = lane4sPerRow(headSize / 2)
  const output = context.memory.allocate([tokens, columns], "f32", "rope.output")
  context.recorder.dispatch({
    kernel: ropeKernel,
    variant: ropeKernel.variants[lane4Of(headSize / 2)],
    tensors: [input, positions, table, output],
    params: { token_count: tokens, head_count: columns / headSize, half_lane4s: halfLane4s, direction },
    workgroupCount: Math.ceil((tokens * (columns / headSize) * halfLane4s) / 64),
  })
  return output
}
