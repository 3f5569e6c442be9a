// ONNX Runtime's WASM back end, as a system of compare.ts, in the version that this project itself scores with.
// usage: onnxruntime.ts THREADS plain|scorer: the model as a graph for speed, or as the scorer at the edge runs it.
import { readFileSync } from "node:fs"
import * as ort from "onnxruntime-web"
import { ONNX_INPUTS, ONNX_OUTPUT } from "#shared/formats/onnx/export-graph.ts"
import { GraphBuilder, ONNX_DTYPE, onnxModel } from "#shared/formats/onnx/graph-builder.ts"
import { runtimeInput } from "#shared/formats/onnx/graph-file.ts"
import { readFloats, readTensors, readTokenIds } from "../llama-model.ts"
import { plainLlamaGraph } from "../onnx-plain-llama.ts"
import { type Prepared, serveRounds } from "../serve-rounds.ts"
import type { MatmulTask, ModelTask } from "../tasks.ts"

ort.env.wasm.numThreads = Number(process.argv[2])
ort.env.logLevel = "error"
const isPlain = process.argv[3] !== "scorer"

const OPERATOR_SET = 17

async function sessionOf(model: Uint8Array): Promise<ort.InferenceSession> {
  const { graph, externalData } = runtimeInput(model)
  return ort.InferenceSession.create(graph, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
    externalData,
  })
}

/** The weight is a constant of the graph, which the runtime packs when it loads it. */
async function prepareMatmul({ rows, inner, columns, repeats, files, samples }: MatmulTask): Promise<Prepared> {
  const graph = new GraphBuilder("matmul")
  const b = graph.constant("b", readFloats(files.b), [inner, columns])
  const a = graph.input("a", ONNX_DTYPE.FLOAT, [rows, inner])
  graph.output("y", ONNX_DTYPE.FLOAT, [rows, columns])
  graph.node("MatMul", [a, b], {}, "y")
  const session = await sessionOf(onnxModel(graph, OPERATOR_SET).toBytes())
  const feeds = { a: new ort.Tensor("float32", readFloats(files.a), [rows, inner]) }
  return {
    run: async () => {
      for (let repeat = 0; repeat < repeats; repeat++) await session.run(feeds)
    },
    find: async () => {
      const values = (await session.run(feeds)).y!.data as Float32Array
      return { samples: samples.map((index) => values[index]!) }
    },
    release: () => void session.release(),
  }
}

/** One call a sequence, or one for all: what each call is fed, and the log-probs it gives. */
interface Calls {
  readonly session: ort.InferenceSession
  readonly feeds: readonly Record<string, ort.Tensor>[]
  readonly output: string
}

async function scorerCalls(task: ModelTask): Promise<Calls> {
  const ids = readTokenIds(task)
  const start = new ort.Tensor("int64", BigInt64Array.of(1n), [1])
  const feeds = Array.from({ length: task.sequences }, (_, index) => {
    const tokens = BigInt64Array.from(ids.subarray(index * task.length, (index + 1) * task.length), BigInt)
    return {
      [ONNX_INPUTS.inputIds]: new ort.Tensor("int64", tokens, [task.length]),
      [ONNX_INPUTS.responseStart]: start,
    }
  })
  return { session: await sessionOf(readFileSync(task.files.onnx)), feeds, output: ONNX_OUTPUT }
}

async function plainCalls(task: ModelTask): Promise<Calls> {
  const { sequences, length } = task
  const ids = BigInt64Array.from(readTokenIds(task), BigInt)
  const targets = ids.filter((_, index) => index % length !== 0)
  const feed = {
    input_ids: new ort.Tensor("int64", ids, [sequences, length]),
    targets: new ort.Tensor("int64", targets, [sequences, length - 1, 1]),
  }
  return { session: await sessionOf(plainLlamaGraph(task, readTensors(task))), feeds: [feed], output: "log_probs" }
}

async function prepareLogProbs(task: ModelTask): Promise<Prepared> {
  const { session, feeds, output } = await (isPlain ? plainCalls(task) : scorerCalls(task))
  return {
    run: async () => {
      for (const feed of feeds) await session.run(feed)
    },
    find: async () => {
      let sum = 0
      for (const feed of feeds) {
        for (const value of (await session.run(feed))[output]!.data as Float32Array) sum += value
      }
      return { loss: -sum / (task.sequences * (task.length - 1)) }
    },
    release: () => void session.release(),
  }
}

await serveRounds((task) => (task.kind === "matmul" ? prepareMatmul(task) : prepareLogProbs(task as ModelTask)), {
  isThrottled: false,
})
