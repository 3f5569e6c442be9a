// Whole-model reference in f64: log-probs of packed pairs and the gradients of every weight, composed of the ops' references.
// Activations are kept in closures: each part returns its output and a function from the output's gradient to the input's.
import { type DecoderConfig, layerPath } from "#shared/formats/decoder-config.ts"
import { type Array64, zeros64 } from "./array64.ts"
import { type AttentionShape, attention, attentionBackward } from "./attention.ts"
import type { DecoderWeights } from "./decoder.ts"
import { swiglu, swigluBackward } from "./gated-activation.ts"
import { logProbHead, logProbHeadBackward } from "./log-prob-head.ts"
import { matmul, matmulBackward } from "./matmul.ts"
import { rmsNorm, rmsNormBackward } from "./rms-norm.ts"
import { rope } from "./rope.ts"
import { gatherRows, gatherRowsBackward } from "./rows.ts"

export interface ReferencePair {
  readonly promptIds: ArrayLike<number>
  readonly chosenIds: ArrayLike<number>
  readonly rejectedIds: ArrayLike<number>
}

/** Scored tokens in order: every pair's chosen, then its rejected. */
export interface ReferencePass {
  /** [R], nats */
  readonly logProbs: Float64Array
  /** Gradients of Σ dLogProbs · logProbs by weight name; a tied head's is summed with the embedding's. */
  readonly gradients: (dLogProbs: Float64Array) => Map<string, Float64Array>
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
): ReferencePass {
  const model = new Model(config, weights, pairs)
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
    gradients: (dLogProbs) => {
      model.gradients.clear()
      let dRows = head.backward({ shape: [dLogProbs.length], data: dLogProbs })
      for (const part of layers.toReversed()) dRows = part.backward(dRows)
      embedding.backward(dRows)
      return new Map(model.gradients)
    },
  }
}

function residual(part: Part, input: Array64): Part {
  return { output: sum(input, part.output), backward: (dOutput) => sum(dOutput, part.backward(dOutput)) }
}

class Model {
  readonly gradients = new Map<string, Float64Array>()
  readonly #config: DecoderConfig
  readonly #weights: DecoderWeights
  readonly #pairs: readonly ReferencePair[]
  readonly #shape: AttentionShape

  constructor(config: DecoderConfig, weights: DecoderWeights, pairs: readonly ReferencePair[]) {
    this.#config = config
    this.#weights = weights
    this.#pairs = pairs
    const lengths = pairs.map(({ promptIds, chosenIds, rejectedIds }) => ({
      promptLength: promptIds.length,
      chosenLength: chosenIds.length,
      rejectedLength: rejectedIds.length,
    }))
    this.#shape = { ...config, pairs: lengths }
  }

  embedding(): Part {
    const name = "model.embed_tokens.weight"
    const table = this.#matrix(name, this.#config.vocabularySize)
    const ids = this.#perToken((pair) =>
      [pair.promptIds, pair.chosenIds, pair.rejectedIds].flatMap((p) => Array.from(p)),
    )
    return {
      output: gatherRows(table, ids),
      backward: (dOutput) => {
        this.#add(name, gatherRowsBackward(table, ids, dOutput))
        return dOutput
      },
    }
  }

  attention(layer: number, input: Array64): Part {
    const { headSize, ropeTheta: theta } = this.#config
    const path = `${layerPath(layer)}.self_attn`
    const turn = { positions: this.#positions(), headSize, theta }
    const norm = this.#norm(`${layerPath(layer)}.input_layernorm.weight`, input)
    const [query, key, value] = ["q_proj", "k_proj", "v_proj"].map((name) =>
      this.#linear(`${path}.${name}`, norm.output),
    )
    const turned = [rope(query!.output, turn), rope(key!.output, turn)] as const
    const attended = attention(...turned, value!.output, this.#shape)
    const output = this.#linear(`${path}.o_proj`, attended)
    return {
      output: output.output,
      backward: (dOutput) => {
        const d = attentionBackward(...turned, value!.output, this.#shape, output.backward(dOutput))
        const dNormed = sum(query!.backward(rope(d.query, turn, -1)), key!.backward(rope(d.key, turn, -1)))
        return norm.backward(sum(dNormed, value!.backward(d.value)))
      },
    }
  }

  feedForward(layer: number, input: Array64): Part {
    const path = `${layerPath(layer)}.mlp`
    const norm = this.#norm(`${layerPath(layer)}.post_attention_layernorm.weight`, input)
    const gate = this.#linear(`${path}.gate_proj`, norm.output)
    const up = this.#linear(`${path}.up_proj`, norm.output)
    const down = this.#linear(`${path}.down_proj`, swiglu(gate.output, up.output))
    return {
      output: down.output,
      backward: (dOutput) => {
        const d = swigluBackward(gate.output, up.output, down.backward(dOutput))
        return norm.backward(sum(gate.backward(d.gate), up.backward(d.up)))
      },
    }
  }

  /** Every response token is predicted by the token before it; both first tokens by the last prompt token. */
  head(input: Array64): Part {
    const name = this.#config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
    const weight = this.#matrix(name, this.#config.vocabularySize)
    const norm = this.#norm("model.norm.weight", input)
    const predicting: number[] = []
    const targets: number[] = []
    let start = 0
    for (const { promptIds, chosenIds, rejectedIds } of this.#pairs) {
      const lastPrompt = start + promptIds.length - 1
      for (const [ids, first] of [
        [chosenIds, lastPrompt + 1],
        [rejectedIds, lastPrompt + 1 + chosenIds.length],
      ] as const) {
        for (let i = 0; i < ids.length; i++) {
          predicting.push(i === 0 ? lastPrompt : first + i - 1)
          targets.push(ids[i]!)
        }
      }
      start += promptIds.length + chosenIds.length + rejectedIds.length
    }
    const rows = Uint32Array.from(predicting)
    const hidden = gatherRows(norm.output, rows)
    const ids = Uint32Array.from(targets)
    return {
      output: logProbHead(hidden, weight, ids),
      backward: (dOutput) => {
        const d = logProbHeadBackward(hidden, weight, ids, dOutput)
        this.#add(name, d.weight)
        return norm.backward(gatherRowsBackward(norm.output, rows, d.hidden))
      },
    }
  }

  #linear(path: string, input: Array64): Part {
    const name = `${path}.weight`
    const columns = input.shape[1]!
    const weight = this.#matrix(name, this.#values(name).length / columns)
    return {
      output: matmul(input, weight, { transposeB: true }),
      backward: (dOutput) => {
        const d = matmulBackward(input, weight, dOutput, { transposeB: true })
        this.#add(name, d.b)
        return d.a
      },
    }
  }

  #norm(name: string, input: Array64): Part {
    const weight = { shape: [input.shape[1]!], data: Float64Array.from(this.#values(name)) }
    const epsilon = this.#config.rmsNormEpsilon
    return {
      output: rmsNorm(input, weight, epsilon),
      backward: (dOutput) => {
        const d = rmsNormBackward(input, weight, epsilon, dOutput)
        this.#add(name, d.weight)
        return d.input
      },
    }
  }

  #positions(): Uint32Array {
    return this.#perToken(({ promptIds, chosenIds, rejectedIds }) => {
      const from = (first: number, ids: ArrayLike<number>) => Array.from({ length: ids.length }, (_, i) => first + i)
      return [...from(0, promptIds), ...from(promptIds.length, chosenIds), ...from(promptIds.length, rejectedIds)]
    })
  }

  #perToken(ofPair: (pair: ReferencePair) => number[]): Uint32Array {
    return Uint32Array.from(this.#pairs.flatMap(ofPair))
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

function sum(left: Array64, right: Array64): Array64 {
  const result = zeros64(...left.shape)
  result.data.forEach((_, i) => {
    result.data[i] = left.data[i]! + right.data[i]!
  })
  return result
}

/** Gradients of a LoRA module's matrices from its full weight's: dA = s·Bᵀ dW, dB = s·dW Aᵀ, all row-major. */
export function loraGradients(
  dWeight: Float64Array,
  { a, b }: { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> },
  rank: number,
  scaling: number,
): { readonly a: Float64Array; readonly b: Float64Array } {
  const inSize = a.length / rank
  const outSize = b.length / rank
  const matrixA = { shape: [rank, inSize], data: Float64Array.from(a) }
  const matrixB = { shape: [outSize, rank], data: Float64Array.from(b) }
  const gradient = { shape: [outSize, inSize], data: dWeight.map((value) => scaling * value) }
  return {
    a: matmul(matrixB, gradient, { transposeA: true }).data,
    b: matmul(gradient, matrixA, { transposeB: true }).data,
  }
}

/** Weights with the adapter folded in: W + s·B A for every adapted module. */
export function withAdapter(
  weights: DecoderWeights,
  adapter: {
    readonly modules: ReadonlyMap<string, { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> }>
    readonly rank: number
    readonly scaling: number
  },
): DecoderWeights {
  const folded = new Map(weights)
  for (const [path, { a, b }] of adapter.modules) {
    const { rank, scaling } = adapter
    const name = `${path}.weight`
    const update = matmul(
      { shape: [b.length / rank, rank], data: Float64Array.from(b) },
      { shape: [rank, a.length / rank], data: Float64Array.from(a) },
    )
    const values = weights.get(name)!
    folded.set(
      name,
      update.data.map((value, i) => values[i]! + scaling * value),
    )
  }
  return folded
}
