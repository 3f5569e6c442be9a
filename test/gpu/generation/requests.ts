// Requests of random prompts for the generation tests, and everything that a generator says to them.
import type { Generated } from "#gpu-runner/generation/generate-batch.ts"
import type { Generator } from "#gpu-runner/generation/open-generator.ts"
import type { GenerationRequest } from "#gpu-runner/generation/sequence-batch.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { randomTokenIds } from "#test/reference/random-decoder.ts"

export const GREEDY = { temperature: 0 }

/** A request that nothing ends but its length. */
export function requestOf(
  config: DecoderConfig,
  promptTokens: number,
  maxTokens: number,
  more: Partial<GenerationRequest> = {},
): GenerationRequest {
  const promptIds = randomTokenIds(config, promptTokens, 1000 + promptTokens)
  return { promptIds, maxTokens, sampling: GREEDY, seed: 7, label: `${promptTokens}`, endIds: new Set(), ...more }
}

/** What is planned for. */
export function lengthsOf(requests: readonly GenerationRequest[]) {
  return requests.map(({ promptIds, maxTokens }) => ({ promptTokens: promptIds.length, maxTokens }))
}

/** The answers in the order of the requests. */
export async function answersOf(generator: Generator, requests: readonly GenerationRequest[]): Promise<Generated[]> {
  const answers: Generated[] = []
  for await (const { request, generated } of generator.generate(requests))
    answers[requests.indexOf(request)] = generated
  return answers
}
