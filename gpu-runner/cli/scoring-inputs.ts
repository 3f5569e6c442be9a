// What `yohaku score` and `yohaku eval` are told alike: a model, pairs, and how the pairs become tokens.
import { readScoringInputs, type ScoringInputs } from "#gpu-runner/trainer/results/scorer.ts"
import { readJsonObject } from "#shared/formats/json-object.ts"
import type { ChatTemplateOptions } from "#shared/tokenisation/tokenisation.ts"
import { type OptionValues, type Terminal, UsageError } from "./command.ts"
import { describeDropped } from "./dropped-rows.ts"
import {
  baseWeightsOf,
  baseWeightsOption,
  choiceOf,
  flag,
  modelOption,
  precisionOf,
  precisionOption,
  requiredText,
  text,
} from "./options.ts"
import { createProgress } from "./progress.ts"
import { readingOf, readingOptions } from "./reading-options.ts"

/** Reading is worth a line from here on. */
const LONG_MS = 1000

export const scoringOptions = {
  model: modelOption,
  data: requiredText("FILE", "pairs in any accepted shape: a file, a folder or a pattern"),
  adapter: text("DIR", "a PEFT adapter to score with"),
  "max-length": text("TOKENS", "most tokens of a prompt and its longer response; the model's limit"),
  overflow: text("POLICY", "for longer pairs: drop (default), truncate or error"),
  "base-weights": baseWeightsOption,
  precision: precisionOption,
  "response-includes-header": flag(
    "score the generation header with the response, as training with responseIncludesHeader does",
  ),
  ...readingOptions,
  "template-options": text("JSON", "variables of the chat template, such as '{\"enable_thinking\": false}'"),
} as const

const OVERFLOWS = ["drop", "truncate", "error"] as const

type Values = OptionValues<typeof scoringOptions>

/** Reads them, before a device is opened; tells what was dropped. Errors: UsageError, those of readScoringInputs. */
export function scoringInputsOf(values: Values, terminal: Terminal): Promise<ScoringInputs> {
  const progress = createProgress()
  const startedMs = performance.now()
  return readScoringInputs(
    {
      modelDir: values.model,
      adapterDir: values.adapter,
      dataFile: values.data,
      baseWeights: baseWeightsOf(values["base-weights"]),
      precision: precisionOf(values.precision),
      reading: readingOf(values),
      ...tokenisationPolicy(values),
    },
    (file, dropped, unread) => terminal.tell(describeDropped(file, dropped, unread)),
    (file, bytes, total) => {
      if (performance.now() - startedMs < LONG_MS) return
      progress.show(`reading ${file}: ${Math.round(bytes / 1e6)} of ${Math.round(total / 1e6)} MB`)
    },
  )
}

function tokenisationPolicy(values: Values) {
  const { "max-length": written } = values
  const maxLength = written === undefined ? undefined : Number(written)
  if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && maxLength >= 2)) {
    throw new UsageError(`--max-length ${written} is no whole number of at least 2`)
  }
  return {
    maxLength,
    overflow: choiceOf("overflow", values.overflow, OVERFLOWS, "drop, truncate or error"),
    responseIncludesHeader: values["response-includes-header"],
    chatTemplateOptions: templateOptions(values["template-options"]),
  }
}

/** Variables of the chat template, checked; undefined where nothing is said. */
export function templateOptions(written: string | undefined): ChatTemplateOptions | undefined {
  if (written === undefined) return undefined
  const refused = (fault: string) => new UsageError(`--template-options ${written} ${fault}`)
  const notOptions = "is no JSON object of text, numbers and booleans"
  const repeatedKey = (key: string) => `holds "${key}" twice; keep one`
  const faults = { notUtf8: notOptions, notJson: notOptions, notObject: notOptions, repeatedKey }
  const value = readJsonObject(written, faults, refused)
  const isOption = (option: unknown) => ["string", "number", "boolean"].includes(typeof option)
  if (!Object.values(value).every(isOption)) throw refused(notOptions)
  return value as ChatTemplateOptions
}
