// TensorFlow.js, as a system of compare.ts: matrix products. usage: tfjs.ts webgpu|wasm
// Its wasm back end's threads need a browser's workers; in Node it runs on one thread.
import path from "node:path"
import { importPackage, packageFile } from "../install/npm-packages.ts"
import { readFloats } from "../llama-model.ts"
import { type Prepared, serveRounds } from "../serve-rounds.ts"
import type { MatmulTask } from "../tasks.ts"
import { installDawn } from "./dawn-navigator.ts"

interface TfTensor {
  dispose(): void
  data(): Promise<Float32Array>
}

interface Tf {
  tensor2d(values: Float32Array, shape: readonly [number, number]): TfTensor
  matMul(a: TfTensor, b: TfTensor): TfTensor
  setBackend(name: string): Promise<boolean>
  ready(): Promise<void>
  backend(): { endComputePassEncoder?(): void; submitQueue?(): void; device?: GPUDevice }
}

const device = process.argv[2] === "webgpu" ? "webgpu" : "wasm"
if (device === "webgpu") installDawn()
const tf = (await importPackage("@tensorflow/tfjs-core")) as Tf
const backend = await importPackage(`@tensorflow/tfjs-backend-${device}`)
if (device === "wasm") {
  const { setWasmPaths } = backend as { setWasmPaths: (folder: string) => void }
  setWasmPaths(packageFile("@tensorflow/tfjs-backend-wasm", "dist") + path.sep)
}
if (!(await tf.setBackend(device))) throw new Error(`tfjs cannot start its back end ${device}`)
await tf.ready()

function prepare({ rows, inner, columns, repeats, files, samples }: MatmulTask): Prepared {
  const a = tf.tensor2d(readFloats(files.a), [rows, inner])
  const b = tf.tensor2d(readFloats(files.b), [inner, columns])
  return {
    run: async () => {
      for (let repeat = 0; repeat < repeats; repeat++) tf.matMul(a, b).dispose()
      const current = tf.backend()
      current.endComputePassEncoder?.()
      current.submitQueue?.()
      await current.device?.queue.onSubmittedWorkDone()
    },
    find: async () => {
      const values = await tf.matMul(a, b).data()
      return { samples: samples.map((index) => values[index]!) }
    },
    release: () => {
      a.dispose()
      b.dispose()
    },
  }
}

await serveRounds((task) => Promise.resolve(prepare(task as MatmulTask)), { isThrottled: device === "webgpu" })
