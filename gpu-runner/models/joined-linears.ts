// Linear layers that read the same input, with their weights one after the other in one buffer: a pass that generates computes them in one
// product, because on a software adapter every dispatch costs. Each layer's own weight is a view of it.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { BINDING_ALIGNMENT_BYTES } from "#gpu-runner/device/tensor.ts"
import { hasCheapBroadcast } from "#gpu-runner/ops/choose-variant.ts"
import { allocateWeight, isRanged, type WholeWeight, weightRows } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { type DecoderConfig, decoderTensorShapes, layerPath } from "#shared/formats/families/decoder-config.ts"
import type { WeightKind } from "#shared/formats/weights/quantisation.ts"

export interface JoinedLinears {
  readonly stored: WholeWeight
  /** Outputs of each layer, in order. */
  readonly columns: readonly number[]
}

export interface JoinedPlaces {
  /** Each joined weight by the name of its first layer's. */
  readonly joined: ReadonlyMap<string, JoinedLinears>
  /** Where each of their layers' weights goes, by its name. */
  readonly places: ReadonlyMap<string, WholeWeight>
}

const GROUPS = [
  ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  ["mlp.gate_proj", "mlp.up_proj"],
] as const

/** Permanent buffers with undefined contents, for contexts that generate on a software adapter; none for others. */
export function allocateJoined(
  context: OpContext,
  config: DecoderConfig,
  kindOf: (name: string) => WeightKind,
): JoinedPlaces {
  const joined = new Map<string, JoinedLinears>()
  const places = new Map<string, WholeWeight>()
  if (!context.steadyRows || !hasCheapBroadcast(context)) return { joined, places }
  const shapes = decoderTensorShapes(config)
  for (let layer = 0; layer < config.layerCount; layer++) {
    for (const group of GROUPS) {
      const names = group.map((path) => `${layerPath(layer)}.${path}.weight`)
      const ofGroup = names.map((name) => shapes.get(name)! as readonly [number, number])
      const together = joinedWeight(context, names, ofGroup, names.map(kindOf))
      if (!together) continue
      joined.set(names[0]!, together.linears)
      for (const [index, name] of names.entries()) places.set(name, together.parts[index]!)
    }
  }
  return { joined, places }
}

/** Undefined where kinds differ, or a part would not begin where a binding may. */
function joinedWeight(
  context: OpContext,
  names: readonly string[],
  shapes: readonly (readonly [rows: number, columns: number])[],
  kinds: readonly WeightKind[],
) {
  const [kind] = kinds
  const columns = shapes[0]![1]
  const rowCounts = shapes.map(([rows]) => rows)
  const firstRows = rowCounts.map((_, index) => rowCounts.slice(0, index).reduce((sum, count) => sum + count, 0))
  const rows = firstRows.at(-1)! + rowCounts.at(-1)!
  if (kinds.some((other) => other !== kind) || rows * columns * 4 > context.matrixRangeBytes) return undefined
  // Outputs of one row must begin where a binding may, and so then do those of any number.
  if (firstRows.some((row) => (4 * row) % BINDING_ALIGNMENT_BYTES !== 0)) return undefined
  const stored = allocateWeight(context, { kind: kind!, rows, columns }, `${names[0]} and ${names.length - 1} more`)
  if (isRanged(stored)) throw new TypeError(`${names[0]} is larger than a range`)
  const parts = firstRows.map((firstRow, index) => weightRows(stored, { firstRow, rowCount: rowCounts[index]! }))
  return { linears: { stored, columns: rowCounts }, parts }
}
