// Pairs of made-up words for a model that knows nothing: two answers to each question, the same for the same count and seed.
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"

const LETTERS = "abcdefghijklmnopqrstuvwxyz"
const WORDS_EACH = 24

interface StatedPair {
  readonly id: string
  readonly prompt: string
  readonly chosen: string
  readonly rejected: string
}

function texts(count: number, seed = 7): StatedPair[] {
  const random = new SeededRandom(seed, "stated pairs")
  const word = () => Array.from({ length: 3 }, () => LETTERS[random.bits() % LETTERS.length]).join("")
  const text = () => Array.from({ length: WORDS_EACH }, word).join(" ")
  return Array.from({ length: count }, (_, index) => {
    const [prompt, chosen, rejected] = [text(), text(), text()]
    return { id: `pair-${index}`, prompt, chosen, rejected }
  })
}

/** What is asked in each pair; such a text is its own canonical form. */
export const statedPrompts = (count: number): string[] => texts(count).map(({ prompt }) => prompt)

/** Lines of a file of preference rows: {id, prompt, chosen, rejected} as messages. */
export function statedPairs(count: number, seed?: number): string {
  const turn = (role: string, content: string) => [{ role, content }]
  const rows = texts(count, seed).map(({ id, prompt, chosen, rejected }) => ({
    id,
    prompt: turn("user", prompt),
    chosen: turn("assistant", chosen),
    rejected: turn("assistant", rejected),
  }))
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("")
}
