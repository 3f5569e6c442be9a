// The card of a run states everything that the result depends on.
import { writeFileSync } from "node:fs"
import { Result } from "effect"
import { afterAll, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { TrainReport } from "#gpu-runner/trainer/results/artefacts.ts"
import { trainingCard } from "#gpu-runner/trainer/results/model-card.ts"
import { decodeTrainConfig, type TrainConfig } from "#shared/domain/TrainConfig.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const directory = writeTinyModel(workspace)
writeFileSync(`${directory}/README.md`, "---\nlicense: apache-2.0\n---\n")
writeFileSync(
  `${directory}/.yohaku-pull.json`,
  JSON.stringify({ repository: "acme/tiny", commit: "d".repeat(40), isComplete: true, files: {} }),
)

async function card(written: Record<string, unknown>, changes: Partial<TrainReport> = {}): Promise<string> {
  const model = await readModelFolder(directory)
  const config: TrainConfig = Result.getOrThrow(decodeTrainConfig(written))
  const judged = (accuracy: number, klPerToken: number) => ({
    pairs: 40,
    accuracy,
    low: accuracy - 0.1,
    high: accuracy + 0.05,
    klPerToken,
    loss: 1 - accuracy,
    metrics: {},
  })
  const report = {
    method: config.method,
    config,
    gamma: 1.5,
    steps: 30,
    stepsDone: 30,
    isStoppedEarly: false,
    best: null,
    updates: 29,
    skippedSteps: 1,
    resumedFromStep: 10,
    durationSeconds: 61.4,
    tokens: 12_345,
    tokensPerSecond: 200,
    plannedBytes: 1_000_000,
    pairs: { train: 960, heldOut: 40, dropped: { duplicate: 3, empty: 1 } },
    reference: { source: "given", digest: "e".repeat(64) },
    selfTest: { rows: 16, maxGap: 1e-6, maxDifference: 2e-6, tolerance: 1e-3 },
    model: { fingerprint: model.fingerprint, weights: model.weightsDigest },
    loss: { first: 0.7, last: 0.3 },
    lastMetrics: { grad_norm: 0.25 },
    heldOut: { before: judged(0.5, 0), after: judged(0.9, 0.02) },
    adapter: "llvmpipe",
    files: { "adapter_model.safetensors": "f".repeat(64) },
    ...changes,
  } as TrainReport
  const inputs = {
    model,
    baseModel: model.name,
    config,
    train: [],
    heldOut: [],
    dropped: {},
    dataDigest: "a".repeat(64),
    referenceDigest: undefined,
    outDir: workspace.at("out"),
    command: "yohaku train --model acme/tiny",
  }
  return trainingCard(inputs, report)
}

test("an adapter's card has the hub's metadata, the ways to use it, results before and after, and its lineage", async () => {
  const model = await readModelFolder(directory)
  const text = await card({ loraRank: 24 })
  expect(text).toMatch(
    /^---\nbase_model: acme\/tiny\nbase_model_relation: adapter\nlibrary_name: peft\npipeline_tag: text-generation\nlicense: apache-2\.0\ntags:\n {2}- yohaku\n {2}- alpha-dpo\n {2}- preference-tuning\n {2}- lora\n---\n/,
  )
  expect(text).toContain("vllm serve acme/tiny --enable-lora --max-lora-rank 32")
  for (const row of [
    "| held-out accuracy on 40 pairs (95 % interval) | 50.0 % (40.0 % to 55.0 %) | 90.0 % (80.0 % to 95.0 %) |",
    "| held-out loss | 0.5 | 0.1 |",
    "| KL(reference ‖ tuned), nats per token | 0 | 0.02 |",
    `| base commit | ${"d".repeat(40)} |`,
    `| base weights, SHA-256 | ${model.weightsDigest} |`,
    `| base fingerprint (weights, tokenizer, template) | ${model.fingerprint} |`,
    `| data, SHA-256 | ${"a".repeat(64)} |`,
    "| rows trained on, held out | 960, 40 |",
    "| rows dropped | 3 duplicate, 1 empty |",
    `| reference | given, ${"e".repeat(64)} |`,
    "| self-test before step 1 | 16 rows, largest gap 0.000001, largest difference 0.000002 nats per token (allowed 0.001) |",
    "| resumed from step | 10 |",
    "| device | llvmpipe |",
    `| node | ${process.versions.node} |`,
    "| command | `yohaku train --model acme/tiny` |",
    `| adapter_model.safetensors | ${"f".repeat(64)} |`,
  ]) {
    expect(text).toContain(row)
  }
  expect(text).toContain("30 steps, 29 of them applied, 1 skipped; last gradient norm 0.25.")
  const json = /```json\n([\s\S]*?)\n```/.exec(text)![1]!
  expect(JSON.parse(json)).toMatchObject({ method: "alpha-dpo", loraRank: 24, seed: 42 })
})

test("a full fine-tune is no adapter, and without held-out pairs the card says that nothing was judged", async () => {
  const text = await card({ loraRank: 0 }, { heldOut: null, selfTest: null, resumedFromStep: 0 })
  expect(text).toContain("base_model_relation: finetune\nlibrary_name: transformers")
  expect(text).toContain("There were no held-out pairs")
  for (const absent of ["peft", "- lora", "## Use", "resumed from", "self-test", "held-out accuracy"]) {
    expect(text).not.toContain(absent)
  }
})

test.each([
  ["dpo", "960 pairs"],
  ["kto", "960 labelled responses"],
  ["sft", "960 responses"],
])("the card of %s says what it was trained on", async (method, rows) => {
  expect(await card({ method })).toContain(`trained with ${method} on ${rows} by yohaku`)
})

test("an adapter of a rank beyond vLLM's says what to do instead", async () => {
  expect(await card({ loraRank: 600 })).toContain("vLLM takes no adapter of this rank; merge it")
})
