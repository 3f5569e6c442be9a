// `yohaku generate`: a model's responses to prompts, as JSON Lines.
import { openResponseFile } from "#gpu-runner/data/rows/response-file.ts"
import { plannedSequences, type ResponseOptions, readGenerationInputs } from "#gpu-runner/generation/inputs.ts"
import { openGenerator } from "#gpu-runner/generation/open-generator.ts"
import { type GenerationPlan, USUAL_BATCH } from "#gpu-runner/generation/plan.ts"
import { checkSampling } from "#gpu-runner/generation/sampling.ts"
import type { PassReport } from "#gpu-runner/generation/sequence-batch.ts"
import { type ResponseCounts, writeResponses } from "#gpu-runner/generation/write-responses.ts"
import { duration } from "#gpu-runner/trainer/quantities.ts"
import { defineCommand, type OptionValues, UsageError } from "../command.ts"
import { describeGenerationPlan } from "../generation-plan.ts"
import { interruptible } from "../interruptible.ts"
import {
  baseWeightsOf,
  baseWeightsOption,
  modelOption,
  numberOf,
  positiveIntegerOf,
  requiredText,
  text,
  texts,
} from "../options.ts"
import { checkOutFile } from "../out-folder.ts"
import { createProgress, type Progress } from "../progress.ts"
import { templateOptions } from "../scoring-inputs.ts"
import { withDevice } from "../with-device.ts"

const USUAL_TOKENS = 256

const options = {
  model: modelOption,
  prompts: requiredText("FILE", 'JSON Lines of {"id", "prompt": text or a list of messages}'),
  out: requiredText("FILE", "where to write; a file that was begun is gone on with"),
  adapter: text("DIR", "a PEFT adapter to answer with"),
  n: text("COUNT", "responses to each prompt (1)"),
  seed: text("SEED", "of the random numbers: the same seed gives the same responses (0)"),
  temperature: text("T", "0 takes the most likely token every time (1)"),
  "top-p": text("P", "draw from the fewest most likely tokens with this probability together (1)"),
  "top-k": text("K", "draw from this many most likely tokens (all)"),
  "min-p": text("P", "draw from tokens with at least this share of the most likely one's probability (0)"),
  "repetition-penalty": text("FACTOR", "above 1: makes tokens that were said or asked less likely (1)"),
  "max-tokens": text("COUNT", `most tokens of a response (${USUAL_TOKENS})`),
  stop: texts("TEXT", "ends a response before this text; may be given several times"),
  batch: text("COUNT", `most responses at once (${USUAL_BATCH}, or as many as memory holds)`),
  "base-weights": baseWeightsOption,
  "template-options": text("JSON", "variables of the chat template, such as '{\"enable_thinking\": false}'"),
} as const

type Values = OptionValues<typeof options>

export const command = defineCommand({
  name: "generate",
  summary: "Writes a model's responses to prompts.",
  details:
    'Each line of the output is {"id", "responses": [{"text", "tokens", "finishReason", "sumLogProb"}]}, in the order of the prompts.\n' +
    "Messages go through the model's chat template; text is read as it stands. finishReason is stop (the model ended its turn), length or\n" +
    "stop-string; sumLogProb is nats of the tokens that were said, the end of turn included, under the model itself. What a response says\n" +
    "depends on its prompt, its id and the seed, not on what else is computed beside it. After a kill, the same command goes on.",
  options,
  run: async (values, terminal) => {
    const startedMs = performance.now()
    const wished = responseOptionsOf(values)
    const batch = values.batch === undefined ? undefined : positiveIntegerOf("batch", values.batch, MOST_AT_ONCE)
    const baseWeights = baseWeightsOf(values["base-weights"])
    checkOutFile(values.out)
    const inputs = await readGenerationInputs(
      {
        modelDir: values.model,
        adapterDir: values.adapter,
        promptsFile: values.prompts,
        baseWeights,
        chatTemplateOptions: templateOptions(values["template-options"]),
      },
      wished,
    )
    const file = openResponseFile(
      values.out,
      inputs.origin,
      inputs.prompts.map(({ id }) => id),
    )
    const resumed = file.done
    const rates = createRates()
    let made: ResponseCounts | undefined
    try {
      if (resumed > 0) terminal.tell(`${values.out}: the responses to ${resumed} prompts are there`)
      if (resumed < inputs.prompts.length) {
        made = await withDevice((gpu) =>
          interruptible(
            () => terminal.tell("stopping; the same command goes on from here"),
            (signal) => {
              const sequences = plannedSequences(inputs, wished, { left: inputs.prompts.length - resumed })
              const { model: source, adapter } = inputs
              const onPlanned = (plan: GenerationPlan) => terminal.tell(describeGenerationPlan(plan))
              const generator = openGenerator(gpu, { source, adapter, baseWeights, sequences, batch, onPlanned })
              const onResponse = shownProgress(createProgress(), resumed, inputs.prompts.length, rates)
              const watch = { signal, onPass: rates.add, onResponse }
              return writeResponses(generator, inputs, wished, [{ voice: undefined, file }], watch).finally(
                generator.close,
              )
            },
          ),
        )
      }
    } finally {
      file.close()
    }
    const durationSeconds = (performance.now() - startedMs) / 1000
    const { prefill, step } = rates.perSecond()
    terminal.answer(
      {
        out: values.out,
        prompts: inputs.prompts.length,
        resumed,
        responses: made?.responses ?? 0,
        tokens: made?.tokens ?? 0,
        finished: made?.finished ?? { stop: 0, length: 0, "stop-string": 0 },
        promptTokensPerSecond: prefill,
        tokensPerSecond: step,
        model: inputs.origin.model,
        adapter: inputs.origin.adapter,
        durationSeconds,
      },
      () =>
        `${values.out}: ${made?.responses ?? 0} responses to ${inputs.prompts.length - resumed} prompts, ${made?.tokens ?? 0} tokens ` +
        `(${perSecond(step)}), ${duration(durationSeconds)}`,
    )
  },
})

const MOST_AT_ONCE = 1024
const MOST_RESPONSES = 1_000_000

/** Errors: UsageError. */
function responseOptionsOf(values: Values): ResponseOptions {
  const whole = (option: "n" | "max-tokens" | "top-k", usual: number | undefined, most?: number) =>
    values[option] === undefined ? usual : positiveIntegerOf(option, values[option], most)
  const sampling = {
    temperature: numberOf("temperature", values.temperature) ?? 1,
    topK: whole("top-k", undefined),
    topP: numberOf("top-p", values["top-p"]),
    minP: numberOf("min-p", values["min-p"]),
    repetitionPenalty: numberOf("repetition-penalty", values["repetition-penalty"]),
  }
  try {
    checkSampling(sampling)
  } catch (error) {
    throw new UsageError(`--${(error as Error).message}`)
  }
  return {
    count: whole("n", 1, MOST_RESPONSES)!,
    seed: seedOf(values.seed),
    sampling,
    maxTokens: whole("max-tokens", USUAL_TOKENS)!,
    stops: values.stop,
  }
}

function seedOf(written = "0"): number {
  const seed = Number(written)
  if (/^\d+$/.test(written) && Number.isSafeInteger(seed)) return seed
  throw new UsageError(`--seed ${written}: give a whole number from 0`)
}

/** Tokens and seconds by kind of pass. */
function createRates() {
  const sums = { prefill: { tokens: 0, seconds: 0 }, step: { tokens: 0, seconds: 0 } }
  const rate = ({ tokens, seconds }: { readonly tokens: number; readonly seconds: number }) =>
    seconds === 0 ? null : tokens / seconds
  return {
    add: ({ kind, tokens, seconds }: PassReport) => {
      sums[kind].tokens += tokens
      sums[kind].seconds += seconds
    },
    perSecond: () => ({ prefill: rate(sums.prefill), step: rate(sums.step) }),
  }
}

const perSecond = (rate: number | null) => (rate === null ? "no steps" : `${rate.toFixed(1)} tokens/s`)

function shownProgress(progress: Progress, resumed: number, total: number, rates: ReturnType<typeof createRates>) {
  return ({ prompts, tokens }: ResponseCounts) => {
    const done = resumed + prompts
    progress.show(
      `answered ${done} of ${total} prompts, ${tokens} tokens, ${perSecond(rates.perSecond().step)}`,
      done === total,
    )
  }
}
