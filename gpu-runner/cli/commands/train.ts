// `yohaku train`: reads the configuration and the files, trains, and shows how it goes.
import { Result } from "effect"
import { duration, percent } from "#gpu-runner/trainer/quantities.ts"
import type { TrainReport } from "#gpu-runner/trainer/results/artefacts.ts"
import { canonicalPromptOfRows } from "#gpu-runner/trainer/rows/held-out-split.ts"
import { trainThroughDeviceLoss } from "#gpu-runner/trainer/run/survive-device-loss.ts"
import { readFilesRun } from "#gpu-runner/trainer/run/train-on-files.ts"
import { decodeTrainConfig, type TrainConfig, TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { methodNames } from "#shared/methods/methods.ts"
import { presets } from "#shared/methods/presets.ts"
import { defineCommand, UsageError } from "../command.ts"
import { readConfigFile } from "../config-file.ts"
import { describeDropped } from "../dropped-rows.ts"
import { interruptible } from "../interruptible.ts"
import { methodHelp, pairMethodsInWords } from "../method-help.ts"
import { baseWeightsOf, baseWeightsOption, flag, modelOption, outFolderOption, requiredText, text } from "../options.ts"
import { checkOutFolder } from "../out-folder.ts"
import { readingOf, readingOptions } from "../reading-options.ts"
import { repeatedPromptWarnings } from "../train-warnings.ts"
import { createTrainingDisplay } from "../training-display.ts"
import { withReopenedDevice } from "../with-device.ts"

const METHODS = methodNames.join(", ")

const CONFIG_KEYS = `${methodHelp()}
  steps         batch (4 to 32 pairs a step) and epochs (1 to 3), by the number of rows; maxSteps (0 = off), shuffle (true), seed (42)
  memory        tokensPerMicroBatch (by the memory plan), checkpointing (auto; never, always), deviceMemoryGb (most of the device)
  rate          learningRate (0.256 / hidden size with LoRA, 1e-6 without; sft 2e-4 and 2e-5), schedule (cosine),
                warmupRatio (0.1) or warmupSteps; of some schedules: scheduleCycles, schedulePower, minLearningRate, minLearningRateRatio, decaySteps,
                warmupShape, decayShape
  optimiser     optimiser (adamw; adamw-8bit), weightDecay (0), adamBeta1 (0.9), adamBeta2 (0.999), adamEpsilon (1e-8),
                maxGradNorm (1; 0 = off)
  weights       loraRank (16; 0 trains all weights), loraAlpha (2 × rank), loraTargets (all seven linear modules), loraDropout (0),
                useRankStabilisedLora (false), baseWeights (stored), precision (mixed; f32)
  data          maxLength (2048 or the model's limit), overflow (drop; truncate, error), responseIncludesHeader (false),
                chatTemplateOptions ({}), strengthAsWeight (false), maxBadShare (0.05)
  evaluation    heldOutShare (0), evaluateEvery (0 = each epoch), earlyStoppingPatience (0 = off), earlyStoppingMetric (eval_loss;
                eval_accuracy), loadBestAtEnd (false), klBudget (off; with loadBestAtEnd), onKlBudget (stop;
                lower-rate)
  safety        checkpointEvery (10 steps), keepCheckpoints (2), onNonFinite (skip; stop), maxSkippedInARow (3),
                selfTestTolerance (1e-3)

Presets: ${Object.keys(presets).join(", ")}.`

export const command = defineCommand({
  name: "train",
  summary: `Tunes a model on preference pairs (${pairMethodsInWords()}), on labelled completions (kto), or on responses (sft).`,
  details:
    "OUT gets adapter_model.safetensors and adapter_config.json (PEFT), or with loraRank 0 a whole model folder; README.md (a model\n" +
    "card with the run's lineage), metrics.jsonl, config.resolved.json, report.json, tensorboard/ and checkpoints/. The reference is\n" +
    "the model as it stands before the first step: the base, or with --adapter the base with that adapter. Without --reference its\n" +
    "log-probs are computed first.\n\n" +
    "Keys of --config, with their defaults. An unknown key is an error, and so is one that the method or the schedule does not read.\n" +
    "A key of TRL, transformers or PEFT is answered with its name here; docs/training.md has them all in a table.\n\n" +
    CONFIG_KEYS,
  options: {
    model: modelOption,
    data: requiredText("FILE", "pairs, or for sft responses, in any accepted shape: a file, a folder or a pattern"),
    out: outFolderOption,
    config: text("FILE", "training options as a JSON object"),
    preset: text("NAME", "one of the authors' recipes; --config and --method override it"),
    method: text("NAME", `${METHODS}; overrides the configuration`),
    adapter: text("DIR", "a PEFT adapter to start from"),
    "base-weights": text("KIND", `${baseWeightsOption.description}; overrides the configuration`),
    reference: text("FILE", "what `yohaku score` wrote for this data"),
    "held-out": text("FILE", "pairs to judge the model on, see evaluateEvery"),
    ...readingOptions,
    resume: flag("go on from the last checkpoint in OUT"),
    profile: flag("time every dispatch of the first 20 steps: a table on stderr, and profile.json in OUT"),
  },
  configKeys: Object.keys(TrainConfigInput.fields),
  run: async (values, terminal) => {
    const written = writtenConfig(values)
    const config = resolved(written, presetOf(values.preset))
    checkOutFolder(values.out)

    const display = createTrainingDisplay({ method: config.method })
    const onInterrupt = () => display.note("stopping after this step; press Ctrl-C again to stop at once")
    try {
      const report = await interruptible(onInterrupt, async (signal) => {
        const inputs = await readFilesRun({
          modelDir: values.model,
          dataFile: values.data,
          heldOutFile: values["held-out"],
          referenceFile: values.reference,
          adapterDir: values.adapter,
          config,
          writtenConfig: { ...presetOf(values.preset), ...written },
          outDir: values.out,
          resume: values.resume,
          profile: values.profile,
          command: terminal.commandLine,
          reading: readingOf(values),
          onDropped: (file, rows, unread) => display.note(describeDropped(file, rows, unread)),
          onProgress: display.show,
          signal,
        })
        const canonical = canonicalPromptOfRows(inputs.model, inputs.config)
        for (const warning of repeatedPromptWarnings(inputs.train, inputs.heldOut, canonical)) display.note(warning)
        return withReopenedDevice((device) => trainThroughDeviceLoss(device, inputs), display.clear)
      })
      display.close()
      terminal.answer(report, () => summary(report, values.out))
    } finally {
      display.close()
    }
  },
})

type Written = Readonly<Record<string, unknown>>

function writtenConfig(values: {
  readonly config: string | undefined
  readonly method: string | undefined
  readonly "base-weights": string | undefined
}): Written {
  const { config, method } = values
  const baseWeights = baseWeightsOf(values["base-weights"])
  return {
    ...(config === undefined ? {} : readConfigFile(config)),
    ...(method === undefined ? {} : { method }),
    ...(baseWeights === undefined ? {} : { baseWeights }),
  }
}

function presetOf(name: string | undefined): Written {
  if (name === undefined) return {}
  if (Object.hasOwn(presets, name)) return presets[name as keyof typeof presets]
  throw new UsageError(`--preset ${name} is unknown; use ${Object.keys(presets).join(", ")}`)
}

function resolved(written: Written, preset: Written): TrainConfig {
  const decoded = decodeTrainConfig(written, preset)
  if (Result.isFailure(decoded)) throw decoded.failure
  return decoded.success
}

function stepsOf({ steps, stepsDone }: TrainReport): string {
  const done = stepsDone === steps ? `${steps}` : `${stepsDone} of ${steps}`
  return `${done} ${steps === 1 ? "step" : "steps"}`
}

function summary(report: TrainReport, out: string): string {
  const { heldOut, loss, lastMetrics } = report
  const moving = lastMetrics && "loss_at_fixed_margin" in lastMetrics ? " (its margin moves with the policy)" : ""
  const accuracy = heldOut
    ? `, held-out accuracy ${percent(heldOut.before.accuracy)} to ${percent(heldOut.after.accuracy)}`
    : ""
  const fall = loss.first === null ? "" : `, loss ${loss.first.toFixed(4)} to ${loss.last!.toFixed(4)}${moving}`
  return `${out}: ${report.method}, ${stepsOf(report)} in ${duration(report.durationSeconds)}${fall}${accuracy}`
}
