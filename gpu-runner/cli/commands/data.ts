// `yohaku data check FILE`: what would be learnt from a file, before it is.
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { type CheckOptions, checkData } from "#gpu-runner/data/rows/checked-data.ts"
import { summaryOf } from "#gpu-runner/data/rows/data-summary.ts"
import { DELIVERY_SOURCES } from "#gpu-runner/data/rows/stored-deliveries.ts"
import { effectiveMaxLength } from "#gpu-runner/trainer/rows/read-rows.ts"
import { DEFAULT_MAX_LENGTH } from "#shared/domain/TrainConfig.ts"
import { defineCommand, type OptionValues, UsageError } from "../command.ts"
import { describeData } from "../data-view.ts"
import { checkHeldOut } from "../held-out-check.ts"
import { choiceOf, text } from "../options.ts"
import { readingOf, readingOptions } from "../reading-options.ts"

const options = {
  model: text("DIR", "also tokenise: a Hugging Face model folder, or the owner/name of a pulled one"),
  source: text("TOOL", "FILE holds deliveries of a webhook: label-studio or argilla"),
  "held-out": text("FILE", "pairs to judge by: tells which have a prompt of FILE, with --model nearly too"),
  ...readingOptions,
} as const

export const command = defineCommand({
  name: "data",
  summary: "Shows what a data file would teach: pairs, labels, what is left out and why, and with a model the tokens.",
  details:
    "yohaku data check FILE   reads FILE as train, score, eval and import do, and trains nothing\n\n" +
    'With --json: {"rows", "pairs": [{"row", "prompt", "chosen", "rejected", "weight"}], "labelled": [{"row", "prompt", "completion",\n' +
    '"label"}], "responses", "dropped": [{"row", "reason", "detail"}], "ignoredColumns", "summary"}. Rows count from 1. With --model each\n' +
    'also has "tokens" and "rendered", the texts that were tokenised, after the template; with --source "takenBack": [{"row", "scope",\n' +
    '"externalId", "rows"}], the judgements that a delivery takes back. The exit code is 0 where the file can be read,\n' +
    "also where training would end for too many bad rows: the summary says so.",
  words: ["action", "file"],
  options,
  run: async (values, terminal) => {
    const { action, file } = values as { readonly action?: string; readonly file?: string }
    if (action !== "check" || file === undefined) throw new UsageError("say `yohaku data check FILE`")
    const checking = await checkingOf(values)
    const data = await checkData(file, checking)
    const { deliveriesOf: _, ...asFile } = checking
    const heldOut = values["held-out"] === undefined ? undefined : await checkData(values["held-out"], asFile)
    const tokenisation = checking.model?.tokenisation
    const held = heldOut === undefined ? {} : { heldOut: checkHeldOut(data, heldOut, tokenisation) }
    const summary = { ...summaryOf(data), ...held }
    const decode = tokenisation && ((ids: readonly number[]) => tokenisation.decode(ids))
    terminal.answer({ ...data, summary }, () => describeData(data, summary, decode))
  },
})

async function checkingOf(values: OptionValues<typeof options>): Promise<CheckOptions> {
  const deliveriesOf = choiceOf("source", values.source, DELIVERY_SOURCES, DELIVERY_SOURCES.join(" or "))
  const reading = readingOf(values)
  if (deliveriesOf !== undefined && reading.columns !== undefined) {
    throw new UsageError("--map names columns, and deliveries have none; say in --form which fields are meant")
  }
  if (values.model === undefined) return { ...reading, deliveriesOf }
  const { tokenisation, config } = await readModelFolder(values.model)
  const maxLength = effectiveMaxLength({ maxLength: DEFAULT_MAX_LENGTH }, config.maxPositions)
  return { ...reading, deliveriesOf, model: { tokenisation, policy: { maxLength } } }
}
