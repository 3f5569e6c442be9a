// jax-js, as a system of compare.ts. usage: jax-js.ts webgpu|wasm
// Everything is jitted, and waited for with the same throttle as this engine's own.
import { importPackage } from "../install/npm-packages.ts"
import { readFloats } from "../llama-model.ts"
import { type Prepared, serveRounds } from "../serve-rounds.ts"
import type { AttentionTask, MatmulTask, Task } from "../tasks.ts"
import { installDawn } from "./dawn-navigator.ts"
import type { Jax, JaxArray } from "./jax-api.ts"
import { prepareModel } from "./jax-llama.ts"
import { installWorker } from "./web-worker.ts"

const device = process.argv[2] === "webgpu" ? "webgpu" : "wasm"
if (device === "webgpu") installDawn()
else installWorker()
const jax = (await importPackage("@jax-js/jax")) as Jax
await jax.init(device)
jax.defaultDevice(device)
const { numpy: np, nn, jit } = jax

async function sampled(array: JaxArray, indices: readonly number[]): Promise<number[]> {
  const values = await array.data()
  return indices.map((index) => values[index]!)
}

function prepareMatmul({ rows, inner, columns, repeats, files, samples }: MatmulTask): Prepared {
  const a = np.array(readFloats(files.a)).reshape([rows, inner])
  const b = np.array(readFloats(files.b)).reshape([inner, columns])
  const product = jit((left: JaxArray, right: JaxArray) => np.matmul(left, right))
  return {
    run: async () => {
      // A result that nobody waits for is never computed.
      const results = await jax.blockUntilReady(Array.from({ length: repeats }, () => product(a.ref, b.ref)))
      for (const result of results) result.dispose()
    },
    find: async () => ({ samples: await sampled(product(a.ref, b.ref), samples) }),
    release: () => {
      a.dispose()
      b.dispose()
    },
  }
}

function prepareAttention({ sequences, heads, length, headSize, files, samples }: AttentionTask): Prepared {
  const input = (file: string) => np.array(readFloats(file)).reshape([sequences, length, heads, headSize])
  const inputs = [input(files.query), input(files.key), input(files.value)] as const
  const attend = jit((query: JaxArray, key: JaxArray, value: JaxArray) =>
    nn.dotProductAttention(query, key, value, { isCausal: true }),
  )
  const result = () => attend(inputs[0].ref, inputs[1].ref, inputs[2].ref)
  return {
    run: async () => {
      const attended = result()
      await jax.blockUntilReady(attended)
      attended.dispose()
    },
    find: async () => ({ samples: await sampled(result(), samples) }),
    release: () => {
      for (const array of inputs) array.dispose()
    },
  }
}

async function prepare(task: Task): Promise<Prepared> {
  if (task.kind === "matmul") return prepareMatmul(task)
  if (task.kind === "attention") return prepareAttention(task)
  if (task.kind === "pairs") throw new Error("no preference step here")
  return prepareModel(jax, task, device === "wasm" ? 1 : task.sequences)
}

await serveRounds(prepare, { isThrottled: device === "webgpu" })
