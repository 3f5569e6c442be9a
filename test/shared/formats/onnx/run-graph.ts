// Runs an exported graph in ONNX Runtime's WASM build, the one that the scorer has and as the scorer opens it, in Node.
import * as ort from "onnxruntime-web/wasm"
import { ONNX_INPUTS, ONNX_OUTPUT } from "#shared/formats/onnx/export-graph.ts"
import { runtimeInput } from "#shared/formats/onnx/graph-file.ts"

ort.env.wasm.numThreads = 1
ort.env.logLevel = "error"

export interface GraphRow {
  readonly tokenIds: Uint32Array
  readonly responseStart: number
}

/** Log-probs in nats of each row's tokens from `responseStart` on: f32 [T - responseStart]. */
export async function runGraphs(
  file: Uint8Array,
  rows: readonly GraphRow[],
  afterRow: () => void = () => {},
): Promise<Float32Array[]> {
  const { graph, externalData } = runtimeInput(file)
  const session = await ort.InferenceSession.create(graph, {
    ...{ executionProviders: ["wasm"], externalData },
    ...{ enableCpuMemArena: false, enableMemPattern: false },
  })
  try {
    const found: Float32Array[] = []
    for (const { tokenIds, responseStart } of rows) {
      const ids = new ort.Tensor("int64", BigInt64Array.from(tokenIds, BigInt), [tokenIds.length])
      const start = new ort.Tensor("int64", BigInt64Array.of(BigInt(responseStart)), [1])
      const results = await session.run({ [ONNX_INPUTS.inputIds]: ids, [ONNX_INPUTS.responseStart]: start })
      found.push(results[ONNX_OUTPUT]!.data as Float32Array)
      afterRow()
    }
    return found
  } finally {
    await session.release()
  }
}

/** The same of one row. */
export async function runGraph(file: Uint8Array, tokenIds: Uint32Array, responseStart: number): Promise<Float32Array> {
  return (await runGraphs(file, [{ tokenIds, responseStart }]))[0]!
}
