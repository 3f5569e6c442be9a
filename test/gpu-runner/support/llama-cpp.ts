// llama.cpp itself, through node-llama-cpp: what it makes of a file, its tokens of a text, and its next-token log-probs. Its graphics
// drivers are left alone, and nothing is ever built.

/** What is used of node-llama-cpp, whose own types are not always there. */
interface NodeLlamaCpp {
  readonly getLlama: (options: object) => Promise<{
    readonly loadModel: (options: { readonly modelPath: string }) => Promise<NativeModel>
    readonly dispose: () => Promise<void>
  }>
}

interface NativeModel {
  readonly tokenize: (text: string, specialTokens: boolean) => number[]
  readonly detokenize: (tokens: readonly number[], specialTokens: boolean) => string
  readonly createContext: (options: object) => Promise<NativeContext>
  readonly dispose: () => Promise<void>
  readonly trainContextSize: number
  readonly fileInfo: { readonly metadata: unknown }
}

interface NativeContext {
  readonly getSequence: () => Sequence
  readonly dispose: () => Promise<void>
}

interface Sequence {
  readonly clearHistory: () => Promise<void>
  readonly controlledEvaluate: (
    input: readonly unknown[],
  ) => Promise<readonly ({ readonly next: { readonly probabilities: ReadonlyMap<number, number> } } | undefined)[]>
}

const MODULE = "node-llama-cpp"
const CONTEXT_TOKENS = 256

/** How to have llama.cpp, for the names of tests that do without. */
export const LLAMA_CPP_MISSING = `${MODULE} is not installed for this machine (npm ci brings it)`

/** llama.cpp for this machine's processor; undefined where node-llama-cpp or its binary is missing. */
export async function openLlamaCpp(): Promise<LlamaCpp | undefined> {
  try {
    const { getLlama } = (await import(MODULE)) as NodeLlamaCpp
    const options = { gpu: false, build: "never", skipDownload: true, maxThreads: 1, logLevel: "error" }
    return new LlamaCpp(await getLlama(options))
  } catch {
    return undefined
  }
}

class LlamaCpp {
  private readonly llama: Awaited<ReturnType<NodeLlamaCpp["getLlama"]>>

  constructor(llama: Awaited<ReturnType<NodeLlamaCpp["getLlama"]>>) {
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
  private readonly sequence: Sequence

  constructor(model: NativeModel, sequence: Sequence) {
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
