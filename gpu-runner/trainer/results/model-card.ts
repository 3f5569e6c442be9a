// The model card of a finished run: what it is, how to use it, what it was judged to be, and everything it came from.
import { baseLineage, type CardFields, cardTable, cardText } from "#gpu-runner/data/model/card-file.ts"
import { runtimeVersions } from "#gpu-runner/data/versions.ts"
import { definitionOf, isPreferenceMethod } from "#shared/methods/methods.ts"
import { percent } from "../quantities.ts"
import type { TrainReport } from "./artefacts.ts"

/** What a card says of a run besides its report; RunInputs are such. */
export interface CardInputs {
  readonly model: { readonly directory: string }
  readonly baseModel: string
  readonly dataDigest: string
  readonly startAdapter?: { readonly digest: string } | undefined
  readonly command?: string | undefined
}

/** What is trained on. */
const ROWS = { pairs: "pairs", unpaired: "labelled responses", responses: "responses" } as const

/** README.md of a run's folder. */
export function trainingCard(inputs: CardInputs, report: TrainReport): string {
  const { config } = report
  const base = baseLineage(inputs.model.directory, inputs.baseModel)
  const isAdapter = config.loraRank > 0
  const fields: CardFields = {
    base_model: base.repository,
    base_model_relation: base.repository && (isAdapter ? "adapter" : "finetune"),
    library_name: isAdapter ? "peft" : "transformers",
    pipeline_tag: "text-generation",
    ...base.license,
    tags: [
      "yohaku",
      config.method,
      ...(isPreferenceMethod(config.method) ? ["preference-tuning"] : []),
      ...(isAdapter ? ["lora"] : []),
    ],
  }
  const kind = isAdapter ? `LoRA adapter (rank ${config.loraRank})` : "full fine-tune"
  const body = [
    `# ${config.method} of ${inputs.baseModel}`,
    `A ${kind} of \`${inputs.baseModel}\`, trained with ${config.method} on ${report.pairs.train} ${ROWS[definitionOf(config.method).rows]} by yohaku.`,
    ...(isAdapter ? ["## Use", usage(base.repository ?? inputs.baseModel, config.loraRank)] : []),
    "## Results",
    results(report),
    "## Lineage",
    lineage(inputs, report, base.commit),
    "## Configuration",
    `\`\`\`json\n${JSON.stringify(config, null, 2)}\n\`\`\``,
    "## Files",
    cardTable(["file", "SHA-256"], Object.entries(report.files)),
  ]
  return cardText({ fields, body: body.join("\n\n") })
}

/** The ranks that vLLM can be started with. */
const VLLM_RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512]

function usage(base: string, rank: number): string {
  const limit = VLLM_RANKS.find((most) => most >= rank)
  const vllm =
    limit === undefined
      ? "vLLM takes no adapter of this rank; merge it: `yohaku export --format merged`."
      : `vLLM: \`vllm serve ${base} --enable-lora --max-lora-rank ${limit} --lora-modules tuned=<this folder>\``
  const llama =
    "llama.cpp: `yohaku export --model <base> --adapter <this folder> --format gguf-adapter --out gguf`, then `llama-server -m base.gguf --lora gguf/adapter.gguf`"
  const peft = `from peft import AutoPeftModelForCausalLM\nmodel = AutoPeftModelForCausalLM.from_pretrained("<this folder>")`
  return `\`\`\`python\n${peft}\n\`\`\`\n\n${vllm}\n\n${llama}`
}

function results({ heldOut, loss, lastMetrics, stepsDone, updates, skippedSteps }: TrainReport): string {
  const rows: (readonly [string, string, string])[] = [
    ["training loss, first and last step", number(loss.first), number(loss.last)],
  ]
  if (heldOut) {
    const { before, after } = heldOut
    const accuracy = ({ accuracy, low, high }: typeof before) =>
      `${percent(accuracy)} (${percent(low)} to ${percent(high)})`
    rows.push([`held-out accuracy on ${after.pairs} pairs (95 % interval)`, accuracy(before), accuracy(after)])
    rows.push(["held-out loss", number(before.loss), number(after.loss)])
    if (after.klPerToken !== undefined) {
      rows.push(["KL(reference ‖ tuned), nats per token", number(before.klPerToken ?? 0), number(after.klPerToken)])
    }
  }
  const judged = heldOut ? "" : "\n\nThere were no held-out pairs: nothing here says how it does on other data."
  const steps = `${stepsDone} steps, ${updates} of them applied, ${skippedSteps} skipped; last gradient norm ${number(lastMetrics?.grad_norm)}.`
  return `${cardTable(["", "before", "after"], rows)}\n\n${steps}${judged}`
}

function lineage(inputs: CardInputs, report: TrainReport, commit: string | undefined): string {
  const { selfTest, reference, pairs, model } = report
  const dropped = Object.entries(pairs.dropped).map(([reason, rows]) => `${rows} ${reason}`)
  const tested =
    selfTest &&
    `${selfTest.rows} rows, largest gap ${number(selfTest.maxGap)}, largest difference ${number(selfTest.maxDifference)} nats per token (allowed ${selfTest.tolerance})`
  return cardTable(
    ["what", "which"],
    [
      ["base", inputs.baseModel],
      ["base commit", commit],
      ["base weights, SHA-256", model.weights],
      ["base fingerprint (weights, tokenizer, template)", model.fingerprint],
      ["started from the adapter, SHA-256", inputs.startAdapter?.digest],
      ["data, SHA-256", inputs.dataDigest],
      ["rows trained on, held out", `${pairs.train}, ${pairs.heldOut}`],
      ["rows dropped", dropped.length > 0 ? dropped.join(", ") : undefined],
      [
        "reference",
        reference.source === "none" ? "none needed" : `${reference.source}, ${reference.digest ?? "unnamed"}`,
      ],
      ["self-test before step 1", tested],
      ["resumed from step", report.resumedFromStep > 0 ? report.resumedFromStep : undefined],
      ["device", report.adapter],
      ["duration, tokens", `${Math.round(report.durationSeconds)} s, ${report.tokens}`],
      ...Object.entries(runtimeVersions()).map(([name, version]) => [name, version] as const),
      ["command", inputs.command === undefined ? undefined : `\`${inputs.command}\``],
    ],
  )
}

function number(value: unknown): string {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : "unknown"
}
