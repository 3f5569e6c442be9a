// llama.cpp itself, through node-llama-cpp: what it makes of a file, its tokens of a text, and its next-token log-probs. Its graphics
// drivers are left alone, and nothing is ever built.
import {
  type NativeLlama,
  type NativeModel,
  type NativeSequence,
  openNativeLlama,
} from "#gpu-runner/bench/llama-cpp.ts"

const CONTEXT_TOKENS = 256

/** llama.cpp for this machine's processor; undefined where node-llama-cpp or its binary is missing. */
export async function openLlamaCpp(): Promise<LlamaCpp | undefined> {
  const llama = await openNativeLlama(1)
  return llama && new LlamaCpp(llama)
}

class LlamaCpp {
  private readonly llama: NativeLlama

  constructor(llama: NativeLlama) {
    this.llama = llama
  }

  /** Loads a model, with an adapter beside it if one is named, and gives it back when `use` is done. */
  async with<T>(modelPath: string, adapter: string | undefined, use: (loaded: LoadedModel) => Promise<T>): Promise<T> {
    const model = await this.llama.loadModel({ modelPath })
    const context = await model.createContext({
      contextSize: CONTEXT_TOKENS,
      batchSize: CONTEXT_TOKENS,
      threads: 1,
      flashAttention: false,
      experimentalKvCacheKeyType: "F32",
      experimentalKvCacheValueType: "F32",
      ...(adapter === undefined ? {} : { lora: { adapters: [{ filePath: adapter, scale: 1 }] } }),
    })
    try {
      return await use(new LoadedModel(model, context.getSequence()))
    } finally {
      await context.dispose()
      await model.dispose()
    }
  }

  dispose(): Promise<void> {
    return this.llama.dispose()
  }
}

const NEXT = { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } } }

export class LoadedModel {
  private readonly model: NativeModel
  private readonly sequence: NativeSequence

  constructor(model: NativeModel, sequence: NativeSequence) {
    this.model = model
    this.sequence = sequence
  }

  get contextLength(): number {
    return this.model.trainContextSize
  }

  /** Token ids of a text as it stands, marks of special tokens read as such. */
  tokens(text: string): number[] {
    return [...this.model.tokenize(text, true)]
  }

  text(ids: readonly number[]): string {
    return this.model.detokenize(ids, true)
  }

  /** The most probable tokens, one after the other, and the log-probs of all tokens in the place of each, in nats. */
  async greedy(prompt: readonly number[], count: number): Promise<{ ids: number[]; logProbs: Float64Array[] }> {
    await this.sequence.clearHistory()
    const ids: number[] = []
    const logProbs: Float64Array[] = []
    let input: readonly number[] = prompt
    while (ids.length < count) {
      const results = await this.sequence.controlledEvaluate([...input.slice(0, -1), [input.at(-1)!, NEXT]])
      const { probabilities } = results.at(-1)!.next
      const found = new Float64Array(probabilities.size)
      for (const [id, probability] of probabilities) found[id] = Math.log(probability)
      const best = found.indexOf(Math.max(...found))
      ids.push(best)
      logProbs.push(found)
      input = [best]
    }
    return { ids, logProbs }
  }
}
