// The configuration's keys of how data becomes tokens. They are part of TrainConfig; here are their fields and defaults.
import { Schema } from "effect"
import { BOUNDS, textOf } from "./bounds.ts"
import { share } from "./config-numbers.ts"

const key = Schema.optionalKey

export const trainDataFields = {
  /** Scores the generation header with the response, as the paper's authors do; false: it belongs to the prompt */
  responseIncludesHeader: key(Schema.Boolean),
  /** Variables of the chat template's own, such as {"enable_thinking": false} for Qwen3; {} */
  chatTemplateOptions: key(
    Schema.Record(Schema.String, Schema.Union([textOf(BOUNDS.identifier), Schema.Finite, Schema.Boolean])).check(
      Schema.isMaxProperties(BOUNDS.entries),
    ),
  ),
  /** Weighs a pair by its strength / 3, where the data has one (HelpSteer, comparisons); false: every pair weighs 1 */
  strengthAsWeight: key(Schema.Boolean),
  /** Ends the job where more of a file's rows cannot be used; .05 */
  maxBadShare: key(share),
}

export const TRAIN_DATA_DEFAULTS = {
  responseIncludesHeader: false,
  chatTemplateOptions: {},
  strengthAsWeight: false,
  maxBadShare: 0.05,
} as const
