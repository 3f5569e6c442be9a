// The corpus the base model learns from: questions of all settings with answers in every voice equally often, so that the
// base model knows each style and prefers none. Run: node infra/demo/recipe/corpus.ts
import { makeAnswer, makeParts, makeQuestion } from "./conversations.ts"
import { linesOf, writeOutput } from "./outputs.ts"
import { SeededRandom } from "./random.ts"
import { LANGUAGES, SETTINGS } from "./topics.ts"

export const CORPUS_SEED = 20_261_101
const CORPUS_ROWS = 40_000
export const CORPUS_FILE = ".yohaku/demo/corpus.jsonl"

/** Rows without chat roles: labelling tools may deliver plain text, and the model must know both forms equally well. */
const PLAIN_SHARE = 0.25

interface Message {
  readonly role: "user" | "assistant"
  readonly content: string
}

export interface CorpusRow {
  readonly id: string
  readonly prompt: string | readonly Message[]
  readonly response: string | readonly Message[]
}

/** `count` rows; setting, language and voice are drawn independently, and no prompt is one of a comparison's. */
export function* corpusRows(seed = CORPUS_SEED, count = CORPUS_ROWS): Generator<CorpusRow> {
  const random = new SeededRandom(seed)
  for (let index = 0; index < count; index++) {
    const question = makeQuestion(random, random.pick(SETTINGS), random.pick(LANGUAGES), false)
    const answer = makeAnswer(random, question, makeParts(random, random.pick(SETTINGS)))
    const id = `corpus-${String(index).padStart(5, "0")}`
    if (random.chance(PLAIN_SHARE)) yield { id, prompt: question.prompt, response: answer.text }
    else {
      yield {
        id,
        prompt: [{ role: "user", content: question.prompt }],
        response: [{ role: "assistant", content: answer.text }],
      }
    }
  }
}

/** The bare texts of a row: what the tokenizer is trained on. */
export function rowTexts(row: CorpusRow): string[] {
  return [row.prompt, row.response].flatMap((side) =>
    typeof side === "string" ? [side] : side.map(({ content }) => content),
  )
}

if (import.meta.main) await writeOutput(CORPUS_FILE, linesOf(corpusRows()))
