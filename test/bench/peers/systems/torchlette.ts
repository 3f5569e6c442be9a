// torchlette (TypeScript and Dawn, with autograd), as a system of compare.ts: the task's Llama from its own fused ops.
// It takes every adapter's subgroups for 32 lanes wide; what that does to its loss is what the check is for.
import { pathToFileURL } from "node:url"
import { torchletteBundle } from "../install/torchlette.ts"
import { norm, readFloats, readTensors, readTokenIds } from "../llama-model.ts"
import { type Prepared, serveRounds } from "../serve-rounds.ts"
import type { MatmulTask, ModelTask } from "../tasks.ts"

interface Tensor {
  readonly grad: Tensor | null
  reshape(shape: readonly number[]): Tensor
  permute(order: readonly number[]): Tensor
  contiguous(): Tensor
  silu(): Tensor
  mul(other: Tensor | number): Tensor
  rmsnorm(weight: Tensor, epsilon: number): Tensor
  narrow(axis: number, start: number, length: number): Tensor
  matmul(other: Tensor): Tensor
  backward(): Promise<void>
  item(): Promise<number>
  cpu(): Promise<ArrayLike<number>>
  zeroGrad(): void
  dispose(): void
}

interface Torchlette {
  tensorFromArray(values: readonly number[], shape: readonly number[], options?: { requiresGrad?: boolean }): Tensor
  linear(x: Tensor, weight: Tensor, bias: null): Tensor
  add(a: Tensor, b: Tensor): Tensor
  embedding(weight: Tensor, ids: Tensor): Tensor
  applyRoPE(x: Tensor, cosine: Tensor, sine: Tensor): Tensor
  scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, scale: number, isCausal: boolean): Tensor
  markStep(): Promise<void>
  noGrad<T>(body: () => T): T
}

interface Module {
  readonly Torchlette: new (device: string, options?: object) => Torchlette
  initWebGPU(): Promise<boolean>
  crossEntropy(api: Torchlette, logits: Tensor, targets: Tensor): Tensor
}

const torchlette = (await import(pathToFileURL(torchletteBundle()).href)) as Module
if (!(await torchlette.initWebGPU())) throw new Error("torchlette finds no WebGPU adapter")
const api = new torchlette.Torchlette("webgpu", { enableFusion: true })

const SEQUENCES = 1

function prepareMatmul({ rows, inner, columns, repeats, files, samples }: MatmulTask): Prepared {
  const a = api.tensorFromArray([...readFloats(files.a)], [rows, inner])
  const b = api.tensorFromArray([...readFloats(files.b)], [inner, columns])
  const product = () => api.noGrad(() => a.matmul(b))
  return {
    run: async () => {
      for (let repeat = 0; repeat < repeats; repeat++) {
        const result = product()
        // It computes what is read: one value of each product is.
        await result.narrow(0, 0, 1).narrow(1, 0, 1).contiguous().cpu()
        result.dispose()
      }
      await api.markStep()
    },
    find: async () => {
      const values = await product().cpu()
      return { samples: samples.map((index) => values[index]!) }
    },
  }
}

interface Model {
  readonly loss: () => Tensor
  readonly trained: readonly Tensor[]
}

function llama(task: ModelTask): Model {
  const { sizes, length } = task
  const hasAdapter = task.kind === "step" && task.train === "adapter"
  const isTrained = (name: string) => task.kind === "step" && name.includes(".lora_") === hasAdapter
  const tensors = new Map(
    [...readTensors(task)].map(([name, { shape, values }]) => {
      return [name, api.tensorFromArray([...values], shape, { requiresGrad: isTrained(name) })]
    }),
  )
  const weight = (name: string) => tensors.get(name)!
  const half = sizes.head_dim / 2
  const table = (f: (angle: number) => number) => {
    const angle = (index: number) => Math.floor(index / half) * sizes.rope_theta ** (-(index % half) / half)
    return api.tensorFromArray(
      Array.from({ length: length * half }, (_, index) => f(angle(index))),
      [length, half],
    )
  }
  const [cosine, sine] = [table(Math.cos), table(Math.sin)]
  const ids = readTokenIds(task).subarray(0, SEQUENCES * length)
  const inputs = api.tensorFromArray([...ids], [SEQUENCES, length])
  const targets = api.tensorFromArray(
    [...ids].filter((_, index) => index % length !== 0),
    [SEQUENCES * (length - 1)],
  )
  const linear = (path: string, x: Tensor) => {
    const y = api.linear(x, weight(`${path}.weight`), null)
    if (!hasAdapter) return y
    const low = api.linear(api.linear(x, weight(`${path}.lora_A`), null), weight(`${path}.lora_B`), null)
    return api.add(y, low.mul(task.loraScaling))
  }
  const attention = (path: string, h: Tensor) => {
    const heads = (name: string) =>
      linear(`${path}.${name}`, h)
        .reshape([SEQUENCES, length, sizes.num_attention_heads, sizes.head_dim])
        .permute([0, 2, 1, 3])
        .contiguous()
    const [q, k] = [api.applyRoPE(heads("q_proj"), cosine, sine), api.applyRoPE(heads("k_proj"), cosine, sine)]
    const mixed = api.scaledDotProductAttention(q, k, heads("v_proj"), sizes.head_dim ** -0.5, true)
    return linear(
      `${path}.o_proj`,
      mixed.permute([0, 2, 1, 3]).contiguous().reshape([SEQUENCES, length, sizes.hidden_size]),
    )
  }
  const normed = (path: string, x: Tensor) => x.rmsnorm(weight(`${path}.weight`), sizes.rms_norm_eps)
  const loss = () => {
    let x = api.embedding(weight("model.embed_tokens.weight"), inputs)
    for (let index = 0; index < sizes.num_hidden_layers; index++) {
      const path = `model.layers.${index}`
      x = api.add(x, attention(`${path}.self_attn`, normed(`${path}.input_layernorm`, x)))
      const g = normed(`${path}.post_attention_layernorm`, x)
      const gated = linear(`${path}.mlp.gate_proj`, g)
        .silu()
        .mul(linear(`${path}.mlp.up_proj`, g))
      x = api.add(x, linear(`${path}.mlp.down_proj`, gated))
    }
    const logits = api.linear(normed("model.norm", x), weight("lm_head.weight"), null)
    const predicting = logits
      .narrow(1, 0, length - 1)
      .contiguous()
      .reshape([SEQUENCES * (length - 1), sizes.vocab_size])
    return torchlette.crossEntropy(api, predicting, targets)
  }
  return { loss, trained: [...tensors].filter(([name]) => isTrained(name)).map(([, tensor]) => tensor) }
}

function prepareModel(task: ModelTask): Prepared {
  const { loss, trained } = llama(task)
  const share = SEQUENCES / task.sequences
  const note = share < 1 ? `${SEQUENCES} of ${task.sequences} sequences a call` : undefined
  const step = async (read: boolean) => {
    const value = task.kind === "step" ? loss() : api.noGrad(loss)
    // Before its backward pass, which disposes of it.
    const found = await value.item()
    if (task.kind === "step") await value.backward()
    else value.dispose()
    const gradients: ArrayLike<number>[] = []
    if (read) for (const tensor of trained) gradients.push(await tensor.grad!.cpu())
    for (const tensor of trained) tensor.zeroGrad()
    await api.markStep()
    return { loss: found, gradients }
  }
  return {
    run: async () => void (await step(false)),
    find: async () => {
      const found = await step(true)
      const gradientNorm = task.kind === "step" ? { gradientNorm: norm(found.gradients) } : {}
      return { loss: found.loss, ...gradientNorm, share, ...(note && { note }) }
    },
  }
}

await serveRounds(
  (task) => Promise.resolve(task.kind === "matmul" ? prepareMatmul(task) : prepareModel(task as ModelTask)),
  { isThrottled: true },
)
