// The Llama of a task in jax-js: jit(valueAndGrad) over LoRA or all weights, with its own attention. Rows are picked by gathers where
// nothing has to come back through them, and by one-hot products where gradients do.
import { norm, readTensors, readTokenIds, type StoredValues } from "../llama-model.ts"
import type { Prepared } from "../serve-rounds.ts"
import type { LlamaSizes, ModelTask } from "../tasks.ts"
import type { Jax, JaxArray, JaxTree } from "./jax-api.ts"

/** Fixed for the traced function: not arguments, because jit would trace them as arrays. */
interface Llama {
  readonly jax: Jax
  readonly sizes: LlamaSizes
  readonly sequences: number
  readonly length: number
  readonly scaling: number
}

type Weights = (name: string) => JaxArray

function linear({ jax: { numpy: np }, scaling }: Llama, weights: Weights, path: string, hasAdapter: boolean) {
  return (x: JaxArray): JaxArray => {
    const apply = (input: JaxArray, name: string) => np.matmul(input, weights(name).transpose())
    if (!hasAdapter) return apply(x, `${path}.weight`)
    const low = apply(apply(x.ref, `${path}.lora_A`), `${path}.lora_B`)
    return apply(x, `${path}.weight`).add(low.mul(scaling))
  }
}

function rmsNorm({ jax: { numpy: np }, sizes }: Llama, weight: JaxArray, x: JaxArray): JaxArray {
  const meanSquare = x.ref.mul(x.ref).mean(-1, { keepdims: true })
  return x.mul(np.reciprocal(np.sqrt(meanSquare.add(sizes.rms_norm_eps)))).mul(weight)
}

/** [B, T, H, D] turned by its positions, halves apart. */
function rope({ jax: { numpy: np }, sizes, length }: Llama, x: JaxArray): JaxArray {
  const half = sizes.head_dim / 2
  const angles = Array.from({ length: length * half }, (_, index) => {
    return Math.floor(index / half) * sizes.rope_theta ** (-(index % half) / half)
  })
  const table = (f: (angle: number) => number) => np.array(Float32Array.from(angles, f)).reshape([1, length, 1, half])
  const [cosine, sine] = [table(Math.cos), table(Math.sin)]
  const first = x.ref.slice([], [], [], [0, half])
  const second = x.slice([], [], [], [half, 2 * half])
  const turned = first.ref.mul(cosine.ref).sub(second.ref.mul(sine.ref))
  return np.concatenate([turned, second.mul(cosine).add(first.mul(sine))], -1)
}

function layer(llama: Llama, weights: Weights, path: string, hasAdapter: boolean, x: JaxArray): JaxArray {
  const { jax, sizes, sequences, length } = llama
  const project = (name: string) => linear(llama, weights, `${path}.${name}`, hasAdapter)
  const heads = (values: JaxArray) => values.reshape([sequences, length, sizes.num_attention_heads, sizes.head_dim])
  const h = rmsNorm(llama, weights(`${path}.input_layernorm.weight`), x.ref)
  const query = rope(llama, heads(project("self_attn.q_proj")(h.ref)))
  const key = rope(llama, heads(project("self_attn.k_proj")(h.ref)))
  const value = heads(project("self_attn.v_proj")(h))
  const attended = jax.nn.dotProductAttention(query, key, value, { isCausal: true })
  const joined = attended.reshape([sequences * length, sizes.hidden_size])
  const middle = x.add(project("self_attn.o_proj")(joined))
  const g = rmsNorm(llama, weights(`${path}.post_attention_layernorm.weight`), middle.ref)
  const gated = jax.nn.silu(project("mlp.gate_proj")(g.ref)).mul(project("mlp.up_proj")(g))
  return middle.add(project("mlp.down_proj")(gated))
}

/** Mean −log p of the tokens after the first. `inputs` and `targets` are ids [B·T]; a weight of 0 drops the last of each sequence. */
function meanLoss(llama: Llama, weights: Weights, hasAdapter: boolean, ids: JaxTree): JaxArray {
  const { jax, sizes, sequences, length } = llama
  const embedding = weights("model.embed_tokens.weight")
  let x = hasAdapter
    ? jax.numpy.take(embedding, ids.inputs!.ref, 0)
    : jax.numpy.matmul(jax.nn.oneHot(ids.inputs!.ref, sizes.vocab_size), embedding)
  for (let index = 0; index < sizes.num_hidden_layers; index++) {
    x = layer(llama, weights, `model.layers.${index}`, hasAdapter, x)
  }
  const hidden = rmsNorm(llama, weights("model.norm.weight"), x)
  const logits = jax.numpy.matmul(hidden, weights("lm_head.weight").transpose())
  const picked = jax.nn.logSoftmax(logits).mul(jax.nn.oneHot(ids.targets!.ref, sizes.vocab_size)).sum(-1)
  return picked
    .mul(ids.weights!.ref)
    .sum()
    .mul(-1 / (sequences * (length - 1)))
}

function idArrays({ jax: { numpy: np }, sequences, length }: Llama, tokenIds: Uint32Array): JaxTree {
  const inputs = Int32Array.from(tokenIds.subarray(0, sequences * length))
  const targets = inputs.map((_, index) => ((index + 1) % length === 0 ? 0 : inputs[index + 1]!))
  const weights = Float32Array.from(inputs, (_, index) => ((index + 1) % length === 0 ? 0 : 1))
  const options = { dtype: np.int32 }
  return { inputs: np.array(inputs, options), targets: np.array(targets, options), weights: np.array(weights) }
}

/** Of the task's first `sequences`: on wasm a token costs less in a call of one than of four, on WebGPU more. */
export async function prepareModel(jax: Jax, task: ModelTask, sequences: number): Promise<Prepared> {
  const llama: Llama = { jax, sizes: task.sizes, sequences, length: task.length, scaling: task.loraScaling }
  const hasAdapter = task.kind === "step" && task.train === "adapter"
  const tensors = readTensors(task)
  const array = ({ shape, values }: StoredValues) => jax.numpy.array(values).reshape(shape)
  const pick = (wanted: (name: string) => boolean): JaxTree =>
    Object.fromEntries([...tensors].filter(([name]) => wanted(name)).map(([name, stored]) => [name, array(stored)]))
  const isLora = (name: string) => name.includes(".lora_")
  const trained = pick((name) => isLora(name) === hasAdapter)
  const frozen = { ...(hasAdapter ? pick((name) => !isLora(name)) : {}), ...idArrays(llama, readTokenIds(task)) }
  const loss = (given: JaxTree, fixed: JaxTree) => {
    const result = meanLoss(llama, (name) => (given[name] ?? fixed[name]!).ref, hasAdapter, fixed)
    jax.tree.dispose(given)
    jax.tree.dispose(fixed)
    return result
  }
  const share = sequences / task.sequences
  const note = share < 1 ? `${sequences} of ${task.sequences} sequences a call` : undefined
  const release = () => {
    jax.tree.dispose(trained)
    jax.tree.dispose(frozen)
  }
  if (task.kind === "log-probs") {
    const forward = jax.jit(loss)
    const evaluate = () => forward(jax.tree.ref(trained), jax.tree.ref(frozen)).data()
    return {
      run: async () => void (await evaluate()),
      find: async () => ({ loss: (await evaluate())[0]!, share, ...(note && { note }) }),
      release,
    }
  }
  const step = jax.jit(jax.valueAndGrad(loss))
  const evaluate = async () => {
    const result = step(jax.tree.ref(trained), jax.tree.ref(frozen))
    await jax.blockUntilReady(result)
    return result
  }
  return {
    run: async () => jax.tree.dispose(await evaluate()),
    find: async () => {
      const [value, gradients] = await evaluate()
      const read = await Promise.all(Object.values(gradients).map((gradient) => gradient.data()))
      return { loss: (await value.data())[0]!, gradientNorm: norm(read), share, ...(note && { note }) }
    },
    release,
  }
}
