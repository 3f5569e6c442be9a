// Writes the tasks' inputs: seeded, the same for every system, and with weights that bf16 holds exactly, so that a system that
// packs them computes the same as one that does not.
import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { adapterModuleShapes } from "#shared/formats/peft/adapter.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import { seededRandom } from "#test/reference/random-decoder.ts"
import { LORA_RANK, LORA_TARGETS, llamaConfig } from "./llama-model.ts"
import type { AttentionTask, LlamaSizes, MatmulTask, ModelTask, StoredShape } from "./tasks.ts"

const SAMPLES = 64
const LORA_SCALING = 2

/** The value's upper 16 bits, rounded to nearest even: what bf16 keeps. */
export function roundToBf16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer)
  for (let index = 0; index < bits.length; index++) {
    const word = bits[index]!
    bits[index] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000
  }
  return values
}

/** Uniform in ±reach. */
function uniform(count: number, reach: number, seed: number): Float32Array {
  const random = seededRandom(seed)
  return Float32Array.from({ length: count }, () => reach * (2 * random() - 1))
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column]!
  }
  return result
}

function sampleIndices(size: number, seed: number): number[] {
  const random = seededRandom(seed)
  return Array.from({ length: SAMPLES }, () => Math.floor(random() * size))
}

export function matmulTask(folder: string, rows: number, inner: number, columns: number): MatmulTask {
  const name = `${rows}×${inner}×${columns}`
  const b = roundToBf16(uniform(inner * columns, 1, 2))
  const files = {
    a: write(folder, `matmul ${name} a`, uniform(rows * inner, 1, 1)),
    b: write(folder, `matmul ${name} b`, b),
    bTransposed: write(folder, `matmul ${name} bT`, transposed(b, inner, columns)),
  }
  const repeats = Math.max(1, Math.round(1e9 / (2 * rows * inner * columns)))
  return { kind: "matmul", name, rows, inner, columns, repeats, files, samples: sampleIndices(rows * columns, 3) }
}

export function attentionTask(
  folder: string,
  shape: Pick<AttentionTask, "sequences" | "heads" | "length" | "headSize">,
): AttentionTask {
  const { sequences, heads, length, headSize } = shape
  const size = sequences * length * heads * headSize
  const input = (part: string, seed: number) => write(folder, `attention ${length} ${part}`, uniform(size, 2, seed))
  const files = { query: input("query", 4), key: input("key", 5), value: input("value", 6) }
  const name = `${sequences} × ${heads} heads × ${length} tokens × ${headSize}`
  return { kind: "attention", name, ...shape, files, samples: sampleIndices(size, 7) }
}

/** The three tasks over one random model: log-probs, LoRA step, full step. */
export function modelTasks(folder: string, sizes: LlamaSizes, sequences: number, length: number): ModelTask[] {
  const config = llamaConfig(sizes)
  const weights = new Map<string, { readonly shape: readonly number[]; readonly values: Float32Array }>()
  let seed = 100
  for (const [name, shape] of decoderTensorShapes(config)) {
    const [first, second] = shape as [number, number | undefined]
    const values =
      second === undefined ? new Float32Array(first).fill(1) : uniform(first * second, Math.sqrt(3 / second), seed)
    weights.set(name, { shape, values: roundToBf16(values) })
    seed += 1
  }
  const stored = [...weights].map(([name, { shape, values }]) => tensorOf(name, shape, values))
  const onnx = path.join(folder, "model.onnx")
  mkdirSync(folder, { recursive: true })
  writeFileSync(onnx, exportOnnxGraph({ config, tensors: new Map(stored.map((tensor) => [tensor.name, tensor])) }))
  for (const [module, shape] of adapterModuleShapes(config, LORA_TARGETS)) {
    const [a, b] = [
      uniform(LORA_RANK * shape.in, 1 / Math.sqrt(shape.in), seed),
      uniform(shape.out * LORA_RANK, 0.02, seed + 1),
    ]
    weights.set(`${module}.lora_A`, { shape: [LORA_RANK, shape.in], values: a })
    weights.set(`${module}.lora_B`, { shape: [shape.out, LORA_RANK], values: b })
    seed += 2
  }
  let offset = 0
  const tensors = [...weights].map(([name, { shape, values }]): StoredShape => {
    offset += values.length
    return { name, shape, offset: offset - values.length }
  })
  const random = seededRandom(99)
  const ids = Uint32Array.from({ length: sequences * length }, () => Math.floor(random() * sizes.vocab_size))
  const files = {
    weights: write(folder, "model weights", Buffer.concat([...weights.values()].map(({ values }) => bytes(values)))),
    tokenIds: write(folder, "model token ids", ids),
    onnx,
  }
  const task = (kind: ModelTask["kind"], train: ModelTask["train"], name: string): ModelTask => ({
    ...{ kind, train, name, sizes, sequences, length, files, tensors },
    loraScaling: LORA_SCALING,
  })
  return [
    task("log-probs", "weights", "log-probs"),
    task("step", "adapter", "LoRA step"),
    task("step", "weights", "full step"),
  ]
}

function bytes(values: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function write(folder: string, name: string, values: Float32Array | Uint32Array | Uint8Array): string {
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, `${name.replaceAll(" ", "-")}.bin`)
  writeFileSync(file, values instanceof Uint8Array ? values : bytes(values))
  return file
}
