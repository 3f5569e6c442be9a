// How much memory ONNX Runtime's WASM build takes for a model's graph: opened and run in a worker thread, so that each has a memory of its own.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import type { GraphWeights } from "#shared/formats/onnx/graph-weights.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"

export interface Measured {
  readonly fileBytes: number
  /** Of the runtime's memory, which never shrinks, after a row of each length. */
  readonly memoryBytes: readonly number[]
  readonly runMs: readonly number[]
}

interface Task {
  readonly fields: Readonly<Record<string, unknown>>
  readonly weights: GraphWeights
  /** of the rows that are run one after the other, in tokens, growing */
  readonly rowTokens: readonly number[]
  /** What the memory may grow to; without it, 4 GiB. A row that wants more is an error. */
  readonly maximumBytes?: number
}

const PAGE_BYTES = 65_536

/** What Node has of WebAssembly and its types do not tell. */
interface WithMemory {
  Memory: new (descriptor: { initial: number; maximum: number }) => { readonly buffer: ArrayBufferLike }
}

/** Every token but the first is a response's, which asks most of the head. */
export function measureRuntime(task: Task): Promise<Measured> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { measureRuntime: task } })
  return new Promise((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", reject)
  })
}

async function measure({ fields, weights, rowTokens, maximumBytes }: Task): Promise<Measured> {
  let memory: InstanceType<WithMemory["Memory"]> | undefined
  const { WebAssembly: assembly } = globalThis as unknown as { readonly WebAssembly: WithMemory }
  const pages = maximumBytes === undefined ? 65_536 : Math.floor(maximumBytes / PAGE_BYTES)
  assembly.Memory = class extends assembly.Memory {
    constructor(descriptor: { initial: number; maximum: number }) {
      super({ ...descriptor, maximum: Math.min(descriptor.maximum, pages) })
      if (descriptor.initial > 0) memory = this
    }
  }
  const { runGraphs } = await import("./run-graph.ts")
  const config = parseDecoderConfig(fields)
  const tensors = [...decoderTensorShapes(config)].map(([name, shape]) => {
    const size = shape.reduce((product, side) => product * side, 1)
    const values = Float32Array.from({ length: size }, (_, index) => ((index * 7919) % 1000) / 1e4 - 0.05)
    return [name, tensorOf(name, shape, values)] as const
  })
  const file = exportOnnxGraph({ config, tensors: new Map(tensors) }, weights)
  const [memoryBytes, runMs]: [number[], number[]] = [[], []]
  const rows = rowTokens.map((length) => ({
    tokenIds: Uint32Array.from({ length }, (_, index) => (index * 37) % config.vocabularySize),
    responseStart: 1,
  }))
  let startMs = performance.now()
  await runGraphs(file, rows, () => {
    memoryBytes.push(memory!.buffer.byteLength)
    runMs.push(performance.now() - startMs)
    startMs = performance.now()
  })
  return { fileBytes: file.length, memoryBytes, runMs }
}

if (!isMainThread && (workerData as { measureRuntime?: Task } | null)?.measureRuntime !== undefined) {
  parentPort!.postMessage(await measure((workerData as { measureRuntime: Task }).measureRuntime))
}
