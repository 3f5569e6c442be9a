// A tuned model as the judge: how much likelier it makes an answer than the model that it was tuned from, or an answer's own log-prob.
import path from "node:path"
import { sha256 } from "#gpu-runner/data/files.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { judgeRows, rowsToJudge } from "#gpu-runner/trainer/results/reward-judge.ts"
import { implicitPreference, type RewardRule } from "#shared/evaluation/judge/implicit-reward.ts"
import { betaOf } from "#shared/methods/options.ts"
import { baseWeightsOf, choiceOf } from "../options.ts"
import { comparedRows, type LocalJudge, onDevice } from "./compared-rows.ts"
import type { LocalValues } from "./local-options.ts"
import { numberOf } from "./suite.ts"

/** Throws UsageError. */
function ruleOf(values: LocalValues): RewardRule {
  const reduction =
    choiceOf("reward", values.reward, ["sum", "mean"], "sum or mean") ??
    (values["judge-adapter"] === undefined ? "mean" : "sum")
  const { beta } = values
  if (beta === undefined) return { beta: betaOf[reduction].default, reduction }
  return {
    beta: numberOf("beta", beta, (value) => value > 0 && value <= 1000, "a number above 0, at most 1000"),
    reduction,
  }
}

/** Errors: UsageError, those of the folders' readers. */
export async function openImplicitJudge(values: LocalValues): Promise<LocalJudge> {
  const rule = ruleOf(values)
  const { "judge-model": modelDir, "judge-adapter": adapterDir } = values
  const model = await readModelFolder(modelDir!)
  const adapted = adapterDir === undefined ? undefined : readAdapterFolder(adapterDir, model)
  const baseWeights = baseWeightsOf(values["base-weights"]) ?? "stored"
  const digest = sha256(await baseFingerprint(model, baseWeights), adapted?.digest ?? "")
  const scoring = { model, adapter: adapted?.adapter, baseWeights }
  return {
    alike: {
      ...{ judge: path.basename(path.resolve(adapterDir ?? modelDir!)), protocol: "implicit-reward", template: [] },
      parameters: { beta: rule.beta, reward: rule.reduction, digest },
    },
    isGeneral: false,
    knowsTurns: model.tokenisation.chatTemplate !== undefined,
    compare: (pairs, terminal) =>
      comparedRows(rowsToJudge(model.tokenisation, model.config.maxPositions, pairs), async (rows) => {
        const scores = await onDevice(terminal, (gpu, signal) => judgeRows(gpu, scoring, rows, signal))
        return scores.map((each) => ({ value: implicitPreference(each.model, each.baseline, rule), scores: each }))
      }),
  }
}
