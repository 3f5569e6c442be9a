// Whole-model reference in f64 for every family: log-probs of packed pairs and the gradients of every weight, composed of the ops'
// references. Activations are kept in closures: each part returns its output and a function from the output's gradient to the input's.
import { type DecoderConfig, layerPath } from "#shared/formats/families/decoder-config.ts"
import { type Array64, zeros64 } from "./array64.ts"
import { type AttentionShape, attention, attentionBackward } from "./attention.ts"
import type { DecoderWeights } from "./decoder.ts"
import { geglu, gegluBackward, swiglu, swigluBackward } from "./gated-activation.ts"
import { logProbHead, logProbHeadBackward } from "./log-prob-head.ts"
import { matmul, matmulBackward } from "./matmul.ts"
import { positions, predictions, type ReferencePair, tokenIds } from "./packed-pairs.ts"
import { rmsNorm, rmsNormBackward } from "./rms-norm.ts"
import { rope } from "./rope.ts"
import { addRowBias, addRowBiasBackward } from "./row-bias.ts"
import { gatherRows, gatherRowsBackward } from "./rows.ts"

/** LoRA matrices by module path, applied beside the frozen weights. */
export interface ReferenceAdapter {
  readonly modules: ReadonlyMap<string, { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> }>
  readonly rank: number
  readonly scaling: number
  /** Dropout on the input of A: what each element of a module's input [T, in] is multiplied by. */
  readonly mask?: ((path: string, shape: readonly number[]) => Float64Array) | undefined
}

/** Scored tokens in order: every pair's chosen, then its rejected. */
export interface ReferencePass {
  /** [R], nats */
  readonly logProbs: Float64Array
  /** [R, C], what the head multiplies */
  readonly hidden: Array64
  /**
   * Gradients of Σ dLogProbs · logProbs (+ Σ dHidden · hidden) by weight name; a tied head's is summed with the embedding's.
   * Those of an adapter are named "<module path>.lora_A" and "<module path>.lora_B".
   */
  readonly gradients: (dLogProbs: Float64Array, dHidden?: Array64) => Map<string, Float64Array>
}

interface Part {
  readonly output: Array64
  readonly backward: (dOutput: Array64) => Array64
}

/** Forward pass of the model over pairs laid out `[prompt | chosen | rejected]`. */
export function decoderPass(
  config: DecoderConfig,
  weights: DecoderWeights,
  pairs: readonly ReferencePair[],
  adapter?: ReferenceAdapter,
): ReferencePass {
  const model = new Model(config, weights, pairs, adapter)
  const embedding = model.embedding()
  const layers: Part[] = []
  let rows = embedding.output
  for (let layer = 0; layer < config.layerCount; layer++) {
    for (const part of [model.attention, model.feedForward]) {
      layers.push(residual(part.call(model, layer, rows), rows))
      rows = layers.at(-1)!.output
    }
  }
  const head = model.head(rows)
  return {
    logProbs: head.output.data,
    hidden: head.hidden,
    gradients: (dLogProbs, dHidden) => {
      model.gradients.clear()
      let dRows = head.backward({ shape: [dLogProbs.length], data: dLogProbs }, dHidden)
      for (const part of layers.toReversed()) dRows = part.backward(dRows)
      embedding.backward(dRows)
      return new Map(model.gradients)
    },
  }
}

function residual(part: Part, input: Array64): Part {
  return { output: sum(input, part.output), backward: (dOutput) => sum(dOutput, part.backward(dOutput)) }
}

function chained(first: Part, second: Part): Part {
  return { output: second.output, backward: (dOutput) => first.backward(second.backward(dOutput)) }
}

class Model {
  readonly gradients = new Map<string, Float64Array>()
  readonly #config: DecoderConfig
  readonly #weights: DecoderWeights
  readonly #pairs: readonly ReferencePair[]
  readonly #lengths: AttentionShape["pairs"]
  readonly #adapter: ReferenceAdapter | undefined

  constructor(
    config: DecoderConfig,
    weights: DecoderWeights,
    pairs: readonly ReferencePair[],
    adapter: ReferenceAdapter | undefined,
  ) {
    this.#config = config
    this.#adapter = adapter
    this.#weights = weights
    this.#pairs = pairs
    this.#lengths = pairs.map(({ promptIds, chosenIds, rejectedIds }) => ({
      promptLength: promptIds.length,
      chosenLength: chosenIds.length,
      rejectedLength: rejectedIds.length,
    }))
  }

  embedding(): Part {
    const name = "model.embed_tokens.weight"
    const table = this.#matrix(name, this.#config.vocabularySize)
    const ids = tokenIds(this.#pairs)
    const { embeddingScale } = this.#config
    return {
      output: scaled(gatherRows(table, ids), embeddingScale),
      backward: (dOutput) => {
        this.#add(name, gatherRowsBackward(table, ids, scaled(dOutput, embeddingScale)))
        return dOutput
      },
    }
  }

  attention(layer: number, input: Array64): Part {
    const { headCount, keyValueHeadCount, headSize, attentionScale: scale, attentionSoftCap: softCap } = this.#config
    const { window, rope: options } = this.#config.layers[layer]!
    const path = `${layerPath(layer)}.self_attn`
    const shape = { pairs: this.#lengths, headCount, keyValueHeadCount, window, scale, softCap }
    const turn = { positions: positions(this.#pairs), headSize, ...options }
    const norm = this.#norm(`${layerPath(layer)}.input_layernorm.weight`, input)
    const query = this.#headNorm(`${path}.q_norm.weight`, this.#linear(`${path}.q_proj`, norm.output))
    const key = this.#headNorm(`${path}.k_norm.weight`, this.#linear(`${path}.k_proj`, norm.output))
    const value = this.#linear(`${path}.v_proj`, norm.output)
    const turned = [rope(query.output, turn), rope(key.output, turn)] as const
    const attended = attention(...turned, value.output, shape)
    const output = this.#postNorm(
      `${layerPath(layer)}.post_attention_layernorm.weight`,
      this.#linear(`${path}.o_proj`, attended),
    )
    return {
      output: output.output,
      backward: (dOutput) => {
        const d = attentionBackward(...turned, value.output, shape, output.backward(dOutput))
        const dNormed = sum(query.backward(rope(d.query, turn, -1)), key.backward(rope(d.key, turn, -1)))
        return norm.backward(sum(dNormed, value.backward(d.value)))
      },
    }
  }

  feedForward(layer: number, input: Array64): Part {
    const { postNorms, activation } = this.#config
    const path = `${layerPath(layer)}.mlp`
    const before = postNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm"
    const [unit, unitBackward] = activation === "silu" ? [swiglu, swigluBackward] : [geglu, gegluBackward]
    const norm = this.#norm(`${layerPath(layer)}.${before}.weight`, input)
    const gate = this.#linear(`${path}.gate_proj`, norm.output)
    const up = this.#linear(`${path}.up_proj`, norm.output)
    const down = this.#linear(`${path}.down_proj`, unit(gate.output, up.output))
    const output = this.#postNorm(`${layerPath(layer)}.post_feedforward_layernorm.weight`, down)
    return {
      output: output.output,
      backward: (dOutput) => {
        const d = unitBackward(gate.output, up.output, output.backward(dOutput))
        return norm.backward(sum(gate.backward(d.gate), up.backward(d.up)))
      },
    }
  }

  /** Every response token is predicted by the token before it; both first tokens by the last prompt token. */
  head(input: Array64) {
    const name = this.#config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
    const weight = this.#matrix(name, this.#config.vocabularySize)
    const norm = this.#norm("model.norm.weight", input)
    const { rows, targets: ids } = predictions(this.#pairs)
    const hidden = gatherRows(norm.output, rows)
    return {
      output: logProbHead(hidden, weight, ids, this.#config.finalSoftCap),
      hidden,
      backward: (dOutput: Array64, dHidden?: Array64) => {
        const d = logProbHeadBackward(hidden, weight, ids, dOutput, this.#config.finalSoftCap)
        this.#add(name, d.weight)
        const dRows = dHidden ? sum(d.hidden, dHidden) : d.hidden
        return norm.backward(gatherRowsBackward(norm.output, rows, dRows))
      },
    }
  }

  #linear(path: string, input: Array64): Part {
    const name = `${path}.weight`
    const columns = input.shape[1]!
    const weight = this.#matrix(name, this.#values(name).length / columns)
    const product = matmul(input, weight, { transposeB: true })
    const bias = this.#weights.get(`${path}.bias`)
    const plain: Part = {
      output: bias ? addRowBias(product, vector(bias)) : product,
      backward: (dOutput) => {
        const d = matmulBackward(input, weight, dOutput, { transposeB: true })
        this.#add(name, d.b)
        if (bias) this.#add(`${path}.bias`, addRowBiasBackward(dOutput).bias)
        return d.a
      },
    }
    const update = this.#lowRank(path, input)
    if (!update) return plain
    return {
      output: sum(plain.output, update.output),
      backward: (dOutput) => sum(plain.backward(dOutput), update.backward(dOutput)),
    }
  }

  /** s·(mask ∘ input) Aᵀ Bᵀ of an adapted module. */
  #lowRank(path: string, input: Array64): Part | undefined {
    const module = this.#adapter?.modules.get(path)
    if (!module) return undefined
    const { rank, scaling, mask } = this.#adapter!
    const a = { shape: [rank, module.a.length / rank], data: Float64Array.from(module.a) }
    const b = { shape: [module.b.length / rank, rank], data: Float64Array.from(module.b) }
    const factors = mask?.(path, input.shape)
    const masked = (x: Array64) => (factors ? { ...x, data: x.data.map((value, i) => value * factors[i]!) } : x)
    const dropped = masked(input)
    const projected = matmul(dropped, a, { transposeB: true })
    return {
      output: scaled(matmul(projected, b, { transposeB: true }), scaling),
      backward: (dOutput) => {
        const ofB = matmulBackward(projected, b, scaled(dOutput, scaling), { transposeB: true })
        const ofA = matmulBackward(dropped, a, ofB.a, { transposeB: true })
        this.#add(`${path}.lora_B`, ofB.b)
        this.#add(`${path}.lora_A`, ofA.b)
        return masked(ofA.a)
      },
    }
  }

  #norm(name: string, input: Array64): Part {
    const weight = vector(this.#values(name))
    const { rmsNormEpsilon: epsilon, normOffset } = this.#config
    return {
      output: rmsNorm(input, weight, epsilon, normOffset),
      backward: (dOutput) => {
        const d = rmsNormBackward(input, weight, epsilon, dOutput, normOffset)
        this.#add(name, d.weight)
        return d.input
      },
    }
  }

  /** A norm after `part`, if the config has such norms. */
  #postNorm(name: string, part: Part): Part {
    return this.#config.postNorms ? chained(part, this.#norm(name, part.output)) : part
  }

  /** A norm of each head after `part`, if the config has such norms. */
  #headNorm(name: string, part: Part): Part {
    if (!this.#config.queryKeyNorm) return part
    const { headSize } = this.#config
    const heads = ({ data }: Array64) => ({ shape: [data.length / headSize, headSize], data })
    const whole = ({ data }: Array64) => ({ shape: part.output.shape, data })
    const norm = this.#norm(name, heads(part.output))
    return chained(part, {
      output: whole(norm.output),
      backward: (dOutput) => whole(norm.backward(heads(dOutput))),
    })
  }

  #matrix(name: string, rows: number): Array64 {
    const data = Float64Array.from(this.#values(name))
    return { shape: [rows, data.length / rows], data }
  }

  #values(name: string): ArrayLike<number> {
    const values = this.#weights.get(name)
    if (!values) throw new Error(`the reference has no weight ${name}`)
    return values
  }

  #add(name: string, gradient: Array64): void {
    const total = this.gradients.get(name)
    this.gradients.set(name, total ? total.map((value, i) => value + gradient.data[i]!) : gradient.data)
  }
}

function vector(values: ArrayLike<number>): Array64 {
  return { shape: [values.length], data: Float64Array.from(values) }
}

function scaled({ shape, data }: Array64, factor: number): Array64 {
  return { shape, data: data.map((value) => factor * value) }
}

function sum(left: Array64, right: Array64): Array64 {
  const result = zeros64(...left.shape)
  result.data.forEach((_, i) => {
    result.data[i] = left.data[i]! + right.data[i]!
  })
  return result
}
