// What laid-out rows stand for: each pair's two plain sequences, prompt and one response, as if nothing were shared. The reference of
// layout, positions and masks: it knows where each token of a sequence lies among the laid-out rows, and nothing of ranges or tiles.
import { seededRandom } from "./random-decoder.ts"

export interface Lengths {
  readonly promptLength: number
  readonly chosenLength: number
  readonly rejectedLength: number
}

export interface UnsharedSequence {
  /** Index of each of the sequence's tokens among the laid-out rows; its position is its place in this list. */
  readonly places: readonly number[]
  readonly promptLength: number
}

/** Both sequences of every pair, in order. A response of no tokens leaves the prompt alone. */
export function unsharedSequences(pairs: readonly Lengths[]): UnsharedSequence[] {
  let start = 0
  return pairs.flatMap(({ promptLength, chosenLength, rejectedLength }) => {
    const run = (from: number, length: number) => Array.from({ length }, (_, i) => from + i)
    const prompt = run(start, promptLength)
    const chosen = run(start + promptLength, chosenLength)
    const rejected = run(start + promptLength + chosenLength, rejectedLength)
    start += promptLength + chosenLength + rejectedLength
    return [chosen, rejected].map((response) => ({ places: [...prompt, ...response], promptLength }))
  })
}

/** The places in a sequence that its token at `place` attends to, in order. */
export function visiblePlaces(place: number, window: number): { readonly from: number; readonly to: number } {
  return { from: Math.max(0, place - window + 1), to: place + 1 }
}

const TILE_EDGES = [1, 2, 31, 32, 33, 63, 64, 65, 95, 96, 97]

/** Draws lengths: half of them at the edges of tiles, the others short; sometimes a row of one response. */
function randomLengths(random: () => number): Lengths {
  const draw = () =>
    random() < 0.5 ? TILE_EDGES[Math.floor(random() * TILE_EDGES.length)]! : 1 + Math.floor(random() * 40)
  const hasRejected = random() < 0.85
  return { promptLength: draw(), chosenLength: draw(), rejectedLength: hasRejected ? draw() : 0 }
}

/** Micro-batches of one to three rows, from the seed, and for each a window: none in half of them. */
export function* randomMicroBatches(
  count: number,
  seed: number,
): Generator<{ pairs: readonly Lengths[]; window: number }> {
  const random = seededRandom(seed)
  for (let i = 0; i < count; i++) {
    const pairs = Array.from({ length: 1 + Math.floor(random() * 3) }, () => randomLengths(random))
    const edges = [1, 2, 31, 32, 33, 64, 65, 1 + Math.floor(random() * 130)]
    const window = random() < 0.5 ? Number.POSITIVE_INFINITY : edges[Math.floor(random() * edges.length)]!
    yield { pairs, window }
  }
}
