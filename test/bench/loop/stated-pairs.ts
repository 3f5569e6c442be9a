// Pairs of made-up words for a model that knows nothing: two answers to each question, the same for the same count and seed.
import { SeededRandom } from "#gpu-runner/data/seeded-random.ts"

const LETTERS = "abcdefghijklmnopqrstuvwxyz"
const WORDS_EACH = 24

/** Lines of a file of preference rows: {id, prompt, chosen, rejected} as messages. */
export function statedPairs(count: number, seed = 7): string {
  const random = new SeededRandom(seed, "stated pairs")
  const word = () => Array.from({ length: 3 }, () => LETTERS[random.bits() % LETTERS.length]).join("")
  const text = () => Array.from({ length: WORDS_EACH }, word).join(" ")
  const turn = (role: string) => [{ role, content: text() }]
  return Array.from({ length: count }, (_, index) => {
    const [prompt, chosen, rejected] = [turn("user"), turn("assistant"), turn("assistant")]
    return `${JSON.stringify({ id: `pair-${index}`, prompt, chosen, rejected })}\n`
  }).join("")
}
