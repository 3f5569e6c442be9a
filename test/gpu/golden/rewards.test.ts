// Reward models of every decoder family against the oracle: the engine computes two conversations with one beginning as a packed row, the oracle computed
// each alone, and read the last token that is no padding.
import path from "node:path"
import { expect } from "vitest"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { type Rewards, rewardRow, rewardsOfBatch } from "#gpu-runner/trainer/results/reward-model.ts"
import { gpuTest, softwareTest } from "../lanes.ts"
import { GOLDEN, RECORDED_MODELS, type RecordedModel, readJson, readRecording, report } from "./recording.ts"

interface RecordedRewards {
  readonly padTokenId: number
  /** [hidden size] */
  readonly score: readonly number[]
  /** Pair by pair, chosen before rejected. */
  readonly rewards: readonly number[]
}

const { models } = readJson<{ models: Record<RecordedModel, RecordedRewards> }>(path.join(GOLDEN, "rewards.json"))
const TOLERANCE = 1e-4

for (const name of RECORDED_MODELS) {
  for (const lane of [softwareTest, gpuTest]) {
    lane(`${name}: rewards are the oracle's, with padding at the end and without`, async (context) => {
      const { model, rows } = await readRecording(name)
      const { padTokenId, score, rewards } = models[name]
      const conversations = rows.map(({ promptIds, chosenIds, rejectedIds }) =>
        [chosenIds, rejectedIds].map((ids) => Uint32Array.of(...promptIds, ...ids)),
      ) as [Uint32Array, Uint32Array][]
      const head = { model, padTokenId }
      const asRows = conversations.map((pair, index) => rewardRow(`${index}`, pair, head))
      const padded = conversations.map(([one, other], index) =>
        rewardRow(`p${index}`, [Uint32Array.of(...one, padTokenId, padTokenId), other], head),
      )
      const decoder = createDecoder(context, model, { positionCount: 32 })
      const actual = await rewardsOfBatch(context, decoder, [...asRows, ...padded] as never, Float32Array.from(score))
      decoder.release()
      const flat = (of: readonly Rewards[]) => of.flatMap(({ model: one, baseline }) => [one, baseline])
      const differences = flat(actual).map((reward, index) => Math.abs(reward - rewards[index % rewards.length]!))
      expect(differences).toHaveLength(2 * rewards.length)
      expect(Math.max(...differences)).toBeLessThan(TOLERANCE)
      report(name, { reward: Math.max(...differences) })
    })
  }
}
