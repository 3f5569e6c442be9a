// A reward model as the judge: σ of the difference of its two numbers, the Bradley-Terry model that such models are trained under.
import path from "node:path"
import { sha256 } from "#gpu-runner/data/files.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import type { RewardFolder } from "#gpu-runner/data/model/reward-folder.ts"
import { type Rewards, rewardRow, rewardsOf } from "#gpu-runner/trainer/results/reward-model.ts"
import type { Text } from "#shared/judgement/Comparison.ts"
import { sigmoid } from "#shared/methods/log-sigmoid.ts"
import { ChatTemplateRefused, type Message, type ResponseText } from "#shared/tokenisation/tokenisation.ts"
import { UsageError } from "../command.ts"
import { baseWeightsOf } from "../options.ts"
import { type Compared, comparedRows, type LocalJudge, onDevice } from "./compared-rows.ts"
import type { LocalValues } from "./local-options.ts"

const OF_TUNED_MODELS = ["judge-adapter", "reward", "beta"] as const

/** Throws UsageError. */
export async function openRewardModelJudge(values: LocalValues, folder: RewardFolder): Promise<LocalJudge> {
  const modelDir = values["judge-model"]!
  const unread = OF_TUNED_MODELS.find((option) => values[option] !== undefined)
  if (unread !== undefined) {
    throw new UsageError(
      `--${unread} is not read with ${modelDir}, a reward model, whose own number judges; leave it away`,
    )
  }
  const { model } = folder
  const baseWeights = baseWeightsOf(values["base-weights"]) ?? "stored"
  return {
    alike: {
      ...{ judge: path.basename(path.resolve(modelDir)), protocol: "reward-model", template: [] },
      // Which token is padding decides whose state the head reads.
      parameters: { digest: sha256(`${await baseFingerprint(model, baseWeights)} ${folder.padTokenId ?? "none"}`) },
    },
    isGeneral: true,
    knowsTurns: model.tokenisation.chatTemplate !== undefined,
    compare: (pairs, terminal) => {
      const rows = pairs.map(({ prompt, model: one, baseline }, index) => {
        try {
          const whole = (answer: Text) => model.tokenisation.tokeniseWhole(conversation(folder, prompt, answer))
          return rewardRow(`${index}`, [whole(one), whole(baseline)], folder)
        } catch (error) {
          if (error instanceof ChatTemplateRefused) return { unscored: "template-refused" }
          throw error
        }
      })
      return comparedRows(rows, async (scored) => {
        const rewards = await onDevice(terminal, (gpu, signal) =>
          rewardsOf(gpu, folder, scored, { baseWeights, signal }),
        )
        return rewards.map(preferred)
      })
    },
  }
}

/** A model that computes no number has no opinion. */
function preferred(rewards: Rewards): Compared {
  const difference = rewards.model - rewards.baseline
  return Number.isFinite(difference) ? { value: sigmoid(difference), scores: rewards } : { unscored: "not-finite" }
}

/** A reward model with a template has read nothing but turns: a prompt that is a text is a user's. */
function conversation({ model }: RewardFolder, prompt: Text, answer: Text): ResponseText {
  if (model.tokenisation.chatTemplate === undefined && typeof prompt === "string" && typeof answer === "string") {
    return { prompt, response: answer }
  }
  const turns = (text: Text, role: Message["role"]): readonly Message[] =>
    typeof text === "string" ? [{ role, content: text }] : text
  return { prompt: turns(prompt, "user"), response: turns(answer, "assistant") }
}
