// Writes the demo's preference data: the traffic, and apart from it the truth. Run: node infra/demo/recipe/preferences.ts
import { readFile } from "node:fs/promises"
import { Encoder } from "#shared/tokenisation/encoder/encoder.ts"
import type { TrafficEvent } from "./carriers.ts"
import { ANNOTATORS, type CountTokens, type LabelledComparison, makeComparisons } from "./comparisons.ts"
import { documentOf, linesOf, repositoryPath, writeOutput } from "./outputs.ts"
import { SeededRandom } from "./random.ts"
import { answerWorth } from "./styles.ts"
import { MODEL_FOLDER } from "./tokenizer.ts"
import { makeTraffic } from "./traffic.ts"

export const PREFERENCES_SEED = 20_261_105
export const DATA_FOLDER = "infra/demo/data"

/** What the rule says of one comparison and what its annotator said; 0 is the first candidate shown. */
export interface TruthRow {
  readonly id: string
  readonly setting: string
  readonly lang: string
  readonly annotator: string
  readonly better: 0 | 1
  readonly labelled: 0 | 1
  readonly flipped: boolean
  readonly worth: readonly [number, number]
  readonly parts: readonly [readonly string[], readonly string[]]
}

export interface PreferenceData {
  readonly traffic: readonly TrafficEvent[]
  readonly truth: readonly TruthRow[]
  readonly summary: object
}

/** Tokens besides the two contents in the chat form: <|bos|>, <|user|>, <|end|>, <|assistant|>, <|end|>. */
const TURN_TOKENS = 5

/** Counts with the committed tokenizer. */
export async function tokenCounter(): Promise<CountTokens> {
  const text = await readFile(repositoryPath(`${MODEL_FOLDER}/tokenizer.json`), "utf8")
  const encoder = new Encoder(JSON.parse(text) as Record<string, unknown>)
  const count = (content: string): number => encoder.encode(content).length
  return (prompt, response) => TURN_TOKENS + count(prompt) + count(response)
}

/** The whole data set; a function of the seed and the committed tokenizer. */
export function preferenceData(countTokens: CountTokens, seed = PREFERENCES_SEED): PreferenceData {
  const random = new SeededRandom(seed)
  const comparisons = makeComparisons(random, countTokens)
  const traffic = makeTraffic(random, comparisons, countTokens)
  return { traffic, truth: comparisons.map(truthOf), summary: summaryOf(comparisons, traffic, countTokens, seed) }
}

function truthOf({ id, question, answers, annotator, better, labelled }: LabelledComparison): TruthRow {
  const [first, second] = answers
  return {
    id,
    setting: question.setting,
    lang: question.language,
    annotator: annotator.name,
    better,
    labelled,
    flipped: better !== labelled,
    worth: [answerWorth(first.parts, question.setting), answerWorth(second.parts, question.setting)],
    parts: [[...first.parts], [...second.parts]],
  }
}

function summaryOf(
  comparisons: readonly LabelledComparison[],
  traffic: readonly TrafficEvent[],
  countTokens: CountTokens,
  seed: number,
): object {
  const lengths = comparisons.flatMap(({ question, answers }) =>
    answers.map(({ text }) => countTokens(question.prompt, text)),
  )
  const flips = (rows: readonly LabelledComparison[]): number =>
    rows.filter(({ better, labelled }) => better !== labelled).length
  return {
    seed,
    comparisons: comparisons.length,
    deliveries: traffic.length,
    flipped: flips(comparisons),
    noiseRate: flips(comparisons) / comparisons.length,
    annotators: ANNOTATORS.map(({ name, errorRate }) => {
      const rows = comparisons.filter(({ annotator }) => annotator.name === name)
      return { name, errorRate, labels: rows.length, flipped: flips(rows) }
    }),
    promptAndResponseTokens: {
      mean: Math.round((10 * lengths.reduce((sum, length) => sum + length, 0)) / lengths.length) / 10,
      maximum: Math.max(...lengths),
    },
  }
}

if (import.meta.main) {
  const { traffic, truth, summary } = preferenceData(await tokenCounter())
  await writeOutput(`${DATA_FOLDER}/traffic.jsonl`, linesOf(traffic))
  await writeOutput(`${DATA_FOLDER}/truth.jsonl`, linesOf(truth))
  await writeOutput(`${DATA_FOLDER}/summary.json`, documentOf(summary))
}
