// ONNX Runtime's WASM backend inside workerd: the one file that knows how the two fit together.
// workerd compiles WebAssembly only at deployment, so the module is imported ready-made (wrangler's CompiledWasm rule)
// and handed to onnxruntime-web, which insists on compiling bytes itself.

import runtimeModule from "onnxruntime-web/ort-wasm-simd-threaded.wasm"
import * as ort from "onnxruntime-web/wasm"
import { MAX_RUNTIME_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import { ONNX_INPUTS, ONNX_OUTPUT } from "#shared/formats/onnx/export-graph.ts"
import { runtimeInput } from "#shared/formats/onnx/graph-file.ts"

export type OnnxSession = ort.InferenceSession

/**
 * The eight bytes that open every WebAssembly file, alone: "compile this" from onnxruntime-web, "use the ready module"
 * to us. It also keeps onnxruntime-web from fetching the file from a URL, which an isolate does not have.
 */
const READY_MODULE_MARK = new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])

const MAX_MEMORY_PAGES = MAX_RUNTIME_BYTES / 65_536

const { instantiate, Memory } = WebAssembly
let memory: WebAssembly.Memory | undefined

const isMark = (source: unknown): boolean =>
  source instanceof Uint8Array &&
  source.length === READY_MODULE_MARK.length &&
  READY_MODULE_MARK.every((byte, index) => source[index] === byte)

/** Stands in for `WebAssembly.instantiate` while the runtime starts; anything but the mark goes to the original. */
const instantiateReadyModule = async (source: unknown, imports: WebAssembly.Imports): Promise<unknown> =>
  isMark(source)
    ? { module: runtimeModule, instance: await instantiate(runtimeModule, imports) }
    : instantiate(source as WebAssembly.Module, imports)

/**
 * Stands in for `WebAssembly.Memory` while the runtime starts, which asks for up to 4 GB. With a bound, a graph that wants
 * too much is an error of its session; without, the platform would end the isolate, since this memory never shrinks.
 */
class BoundedMemory extends Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super({ ...descriptor, maximum: Math.min(descriptor.maximum ?? MAX_MEMORY_PAGES, MAX_MEMORY_PAGES) })
    if (descriptor.initial > 0) memory = this
  }
}

ort.env.wasm.numThreads = 1 // an isolate has no worker threads
ort.env.wasm.wasmBinary = READY_MODULE_MARK as unknown as ArrayBuffer

/** Bytes of the runtime's memory; it grows and never shrinks. 0 before the first session. */
export const runtimeMemoryBytes = (): number => memory?.buffer.byteLength ?? 0

/** Whether a session failed because the runtime's memory was used up; others, and the next run, are none the worse. */
export const isOutOfMemory = (error: unknown): boolean => error instanceof Error && error.message.includes("bad_alloc")

/**
 * Opens a session on the bytes of an ONNX file: every graph optimisation, one thread, nothing allocated ahead of need. Weights that stand
 * behind the graph are copied once, into their tensors.
 * Rejects with onnxruntime-web's own error where the file is no valid model.
 */
export const openSession = async (model: Uint8Array): Promise<OnnxSession> => {
  Object.assign(WebAssembly, { instantiate: instantiateReadyModule, Memory: BoundedMemory })
  try {
    const { graph, externalData } = runtimeInput(model)
    return await ort.InferenceSession.create(graph, {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
      // Both would take memory in powers of two, and keep it.
      enableCpuMemArena: false,
      enableMemPattern: false,
      externalData,
      logSeverityLevel: 4, // an error is thrown as well, and told by whoever catches it
    })
  } finally {
    Object.assign(WebAssembly, { instantiate, Memory })
  }
}

/**
 * Log-probs in nats of the tokens from `responseStart` on, each given everything before it: f32 [T − responseStart].
 * Rejects with onnxruntime-web's error, for example on an id outside the vocabulary.
 */
export const runSession = async (
  session: OnnxSession,
  tokenIds: Uint32Array,
  responseStart: number,
): Promise<Float32Array> => {
  const inputs = {
    [ONNX_INPUTS.inputIds]: new ort.Tensor("int64", BigInt64Array.from(tokenIds, BigInt), [tokenIds.length]),
    [ONNX_INPUTS.responseStart]: new ort.Tensor("int64", BigInt64Array.of(BigInt(responseStart)), [1]),
  }
  const output = (await session.run(inputs))[ONNX_OUTPUT]
  if (!(output?.data instanceof Float32Array)) throw new Error(`the graph has no f32 output ${ONNX_OUTPUT}`)
  return output.data.slice()
}
