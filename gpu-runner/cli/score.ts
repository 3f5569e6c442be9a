// `yohaku score`: per-token log-probs of both responses of every pair, as JSON Lines.
import { countReasons } from "#gpu-runner/data/data-file.ts"
import { createLineFile, readWholeFile, sha256 } from "#gpu-runner/data/files.ts"
import { scoreLine } from "#gpu-runner/data/reference-file.ts"
import { writeReferenceOrigin } from "#gpu-runner/data/reference-origin.ts"
import { readScoringInputs, scoreGroups } from "#gpu-runner/trainer/scorer.ts"
import type { ChatTemplateOptions } from "#shared/tokenisation/tokenisation.ts"
import { baseWeightsOf, baseWeightsOption } from "./base-weights.ts"
import { defineCommand, UsageError } from "./command.ts"
import { describeDropped } from "./dropped-rows.ts"
import { checkOutFile } from "./out-folder.ts"
import { createProgress, duration } from "./progress.ts"
import { withDevice } from "./with-device.ts"

export const scoringOptions = {
  model: {
    type: "string",
    placeholder: "DIR",
    description: "a Hugging Face model folder, or the owner/name of a pulled one",
    required: true,
  },
  data: {
    type: "string",
    placeholder: "FILE",
    description: "pairs in any accepted shape: a file, a folder or a pattern",
    required: true,
  },
  adapter: { type: "string", placeholder: "DIR", description: "a PEFT adapter to score with" },
  "max-length": {
    type: "string",
    placeholder: "TOKENS",
    description: "most tokens of a prompt and its longer response; the model's limit",
  },
  overflow: {
    type: "string",
    placeholder: "POLICY",
    description: "for longer pairs: drop (default), truncate or error",
  },
  "base-weights": baseWeightsOption,
  "response-includes-header": {
    type: "boolean",
    description: "score the generation header with the response, as training with responseIncludesHeader does",
  },
  "template-options": {
    type: "string",
    placeholder: "JSON",
    description: "variables of the chat template, such as '{\"enable_thinking\": false}'",
  },
} as const

/** How pairs become tokens: the options of the command line, checked. */
export function tokenisationPolicy(values: {
  readonly "max-length": string | undefined
  readonly overflow: string | undefined
  readonly "response-includes-header": boolean | undefined
  readonly "template-options": string | undefined
}) {
  const { "max-length": written, overflow } = values
  const maxLength = written === undefined ? undefined : Number(written)
  if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && maxLength >= 2)) {
    throw new UsageError(`--max-length ${written} is no whole number of at least 2`)
  }
  if (overflow !== undefined && overflow !== "drop" && overflow !== "truncate" && overflow !== "error") {
    throw new UsageError(`--overflow ${overflow} is unknown; use drop, truncate or error`)
  }
  const known = overflow as "drop" | "truncate" | "error" | undefined
  const responseIncludesHeader = values["response-includes-header"]
  return {
    maxLength,
    overflow: known,
    responseIncludesHeader,
    chatTemplateOptions: templateOptions(values["template-options"]),
  }
}

function templateOptions(written: string | undefined): ChatTemplateOptions | undefined {
  if (written === undefined) return undefined
  const refused = new UsageError(`--template-options ${written} is no JSON object of text, numbers and booleans`)
  let value: unknown
  try {
    value = JSON.parse(written)
  } catch {
    throw refused
  }
  const isOption = (option: unknown) => ["string", "number", "boolean"].includes(typeof option)
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused
  if (!Object.values(value).every(isOption)) throw refused
  return value as ChatTemplateOptions
}

export const score = defineCommand({
  name: "score",
  summary: "Writes the log-probs of every pair's responses under a model.",
  details:
    'Each line of the output is {"id", "chosen": {"logProbs", "sum", "count"}, "rejected": {…}}: nats, one log-prob per response token\n' +
    "(the end of turn included), computed in f32 on the weights as held. `yohaku train --reference` takes the file\n" +
    "and checks by FILE.origin.json beside it that model and adapter are the same.",
  options: {
    ...scoringOptions,
    out: { type: "string", placeholder: "FILE", description: "where to write", required: true },
  },
  run: async (values, terminal) => {
    const startedMs = performance.now()
    checkOutFile(values.out)
    const inputs = await readScoringInputs(
      {
        modelDir: values.model,
        adapterDir: values.adapter,
        dataFile: values.data,
        baseWeights: baseWeightsOf(values["base-weights"]),
        ...tokenisationPolicy(values),
      },
      (dropped) => terminal.tell(describeDropped(values.data, dropped)),
    )
    const total = inputs.data.rows.length
    const progress = createProgress()
    const file = createLineFile(values.out)
    let pairs = 0
    let tokens = 0
    try {
      await withDevice(async (gpu) => {
        for await (const { rows, scores } of scoreGroups(gpu, inputs)) {
          rows.forEach((row, index) => {
            const { chosen, rejected } = scores[index]!
            file.write(scoreLine(row.id, chosen, rejected))
            tokens += chosen.length + rejected.length
          })
          pairs += rows.length
          progress.show(`scored ${pairs} of ${total} pairs`, pairs === total)
        }
      })
    } catch (error) {
      file.discard()
      throw error
    }
    file.finish()
    writeReferenceOrigin(values.out, {
      reference: sha256(readWholeFile(values.out)),
      model: inputs.fingerprint,
      adapter: inputs.adapterDigest ?? null,
    })
    const durationSeconds = (performance.now() - startedMs) / 1000
    if (terminal.isJson) {
      const dropped = countReasons(inputs.data.dropped)
      terminal.print(
        JSON.stringify({ out: values.out, pairs, tokens, dropped, model: inputs.fingerprint, durationSeconds }),
      )
    } else terminal.print(`${values.out}: ${pairs} pairs, ${tokens} scored tokens, ${duration(durationSeconds)}`)
  },
})
