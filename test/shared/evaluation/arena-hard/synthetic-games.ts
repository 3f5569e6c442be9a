// Games whose winners were drawn from known ratings and known tastes in style: the same seed gives the same games everywhere.
import type { JudgedQuestion, StyleCounts } from "#shared/evaluation/arena-hard/battles.ts"
import { VERDICTS } from "#shared/evaluation/arena-hard/verdict.ts"
import { seedOf, uniformSource } from "#test/reference/random.ts"

export interface SyntheticGames {
  readonly models: ReadonlyMap<string, readonly JudgedQuestion[]>
  readonly baseline: ReadonlyMap<string, StyleCounts>
}

/** Three models of different strength, of which the strong one writes long; one game in 40 has no verdict. */
export function syntheticGames(name: string, questions = 60): SyntheticGames {
  const uniform = uniformSource(seedOf(name))
  const countsOf = (wordiness: number): StyleCounts => [
    Math.floor(20 + 900 * wordiness * uniform()),
    Math.floor(6 * uniform()),
    Math.floor(25 * wordiness * uniform()),
    Math.floor(12 * uniform()),
  ]
  const names = Array.from({ length: questions }, (_, index) => `question ${index}`)
  const baseline = new Map(names.map((question) => [question, countsOf(0.5)]))
  const strengths = [
    ["middling", -0.3, 0.6],
    ["strong", 0.7, 1],
    ["weak", -1.2, 0.3],
  ] as const
  const models = strengths.map(([model, rating, wordiness]) => {
    const judged = names.map((question): JudgedQuestion => {
      const style = countsOf(wordiness)
      const [tokens] = baseline.get(question)!
      // What both games of a question share: they are not independent.
      const liking = rating + (style[0] - tokens) / (style[0] + tokens) + 2 * (uniform() - 0.5)
      return { question, verdicts: [gameOf(-liking, uniform), gameOf(liking, uniform)], style }
    })
    return [model, judged] as const
  })
  return { models: new Map(models), baseline }
}

/** `liking` of the answer that stands as A. */
function gameOf(liking: number, uniform: () => number): JudgedQuestion["verdicts"][number] {
  if (uniform() < 1 / 40) return undefined
  const drawn = liking + Math.log(1 / uniform() - 1)
  return VERDICTS[drawn > 1.5 ? 0 : drawn > 0.2 ? 1 : drawn > -0.2 ? 2 : drawn > -1.5 ? 3 : 4]
}
