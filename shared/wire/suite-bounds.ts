// What may be asked of a suite: its size, and how much may be answered to it. The orchestrator refuses by it, and a runner before it begins.
import { type Answering, DEFAULT_ANSWERING } from "#shared/domain/EvaluationSettings.ts"
import { LIMITS } from "./limits.ts"

/** Where nothing is said, the default. */
export const resolvedAnswering = (answering: Answering = {}) => ({ ...DEFAULT_ANSWERING, ...answering })

/** Why so many prompts cannot be answered so; undefined where they can. */
export const faultOfSuite = (prompts: number, answering: Answering | undefined): string | undefined => {
  if (prompts > LIMITS.suitePrompts)
    return `the suite has ${prompts} prompts, at most ${LIMITS.suitePrompts} are answered; leave some out`
  const { count, maxTokens } = resolvedAnswering(answering)
  const tokens = prompts * count * maxTokens
  if (tokens <= LIMITS.answeredTokens) return undefined
  return `${prompts} prompts with ${count} answers of ${maxTokens} tokens are ${tokens} tokens, at most ${LIMITS.answeredTokens} are answered; lower answering.maxTokens or answering.count, or leave prompts out`
}
