// The commands that README.md and docs/ show, block by block, and what the tests do with each block. test/system runs them as
// written; documented-commands.test.ts holds that none is missing here.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"

export const repositoryRoot = path.resolve(import.meta.dirname, "../../..")

export interface CommandBlock {
  readonly page: string
  /** The whole block, as it stands between its fences. */
  readonly script: string
}

const pagesIn = (directory: string): readonly string[] =>
  readdirSync(path.join(repositoryRoot, directory))
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.posix.join(directory, name))

export const documentedPages: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  ...pagesIn("docs"),
  "infra/demo/README.md",
]

const FENCED = /^(?<indent> *)```sh\n(?<script>[\s\S]*?)^\k<indent>```$/gm

export const commandBlocks = (page: string): readonly CommandBlock[] =>
  [...readFileSync(path.join(repositoryRoot, page), "utf8").matchAll(FENCED)].map(({ groups }) => ({
    page,
    script: groups!.script!.replaceAll(new RegExp(`^${groups!.indent}`, "gm"), ""),
  }))

/**
 * What is done with a block: `run` by every `npm test`, with small data; `apart` the same, in a test of its own, since what it prints depends on the
 * machine; `full` only by `npm run test:full`, with the demo's; or not run, for a reason.
 */
export type Lane = "run" | "apart" | "full" | { readonly notRun: string }

const ANOTHER_MACHINE = { notRun: "needs an account at Cloudflare" }
const A_RUNNER = { notRun: "a runner goes on for ever; test/system starts one with every demo" }
const BENCHMARKS = { notRun: "a benchmark: minutes, and no right answer; test/gpu/bench runs its parts" }

/** By page, one lane a block, in the page's order; each beside the words with which its block begins. */
export const LANES: Readonly<Record<string, readonly (readonly [begins: string, lane: Lane])[]>> = {
  "README.md": [
    ["npm start", { notRun: "test/system/crash.test.ts starts the demo, and `npm test` is what runs this" }],
    ["npx yohaku doctor", "run"],
    ["YOHAKU_RUNNER_TOKEN=", A_RUNNER],
  ],
  "CONTRIBUTING.md": [["git clone", { notRun: "sets up the machine on which this runs" }]],
  "docs/api.md": [
    ["export URL=", "run"],
    ["api -X POST $URL/v1/keys", "run"],
    ["YOHAKU_TOKEN=$KEY npx yohaku model push", "run"],
    ["api -X POST $URL/v1/datasets/support/comparisons ", "run"],
    ["api -X POST $URL/v1/datasets/support/comparisons/retract", "run"],
    ["curl -sS -X POST", "run"],
    ["api -X POST $URL/v1/datasets/support/comparisons/replay", "run"],
    ["api -X POST $URL/v1/datasets/support/webhooks", "run"],
    ["api -X POST $URL/v1/datasets/support/webhooks/$ENDPOINT/rotate", "run"],
    ["curl -sS -X POST $URL$(field .path", "run"],
    ["api $URL/v1/webhooks/$ENDPOINT/deliveries", "run"],
    ["YOHAKU_TOKEN=$KEY", "run"],
    ["# 1. in Argilla", "run"],
    ["api -X POST $URL/v1/datasets/support/runs", "run"],
    ["RUN=", "run"],
    ["mkdir -p client", "run"],
    ["cat > client/with-openapi-fetch.ts", "run"],
    ["cat > client/with-oazapfts.ts", "run"],
    ["api $URL/v1/models/demo", "full"],
    ["api -X POST $URL/v1/models/demo/channels/production", "full"],
    ["mkdir -p promoted", "full"],
    [
      "cat > suite.jsonl",
      { notRun: "needs two versions of a model; test/workers/orchestrator/evaluate.test.ts does all of it" },
    ],
  ],
  "docs/data.md": [["npx yohaku data check", "run"]],
  "docs/evaluation.md": [
    ["cat > verdicts.json", "run"],
    ["head -n 20", "apart"],
    [
      "npx yohaku judge --suite alpaca-eval-2 --prompts prompts.jsonl --outputs likeliest.jsonl",
      { notRun: "needs an adapter; test/gpu/trainer/reward-judge.test.ts has one as the first rung" },
    ],
    [
      "npx yohaku judge --suite calibration",
      { notRun: "needs an adapter; test/gpu/trainer/reward-judge.test.ts has one that judges" },
    ],
    [
      "npx yohaku model pull Skywork/Skywork-Reward-V2-Qwen3-0.6B",
      { notRun: "needs a hub; test/gpu/trainer/reward-model.test.ts has a small one that judges" },
    ],
    ["cat > games.json", "run"],
    ["cat > votes.json", "run"],
  ],
  "docs/files-and-metrics.md": [
    ["npx yohaku pack inspect", { notRun: "needs a run's pack; test/gpu-runner/cli/commands/pack.test.ts writes one" }],
    ["npx yohaku model pull", "run"],
    [
      "npx yohaku export --model MODEL --adapter adapter --format gguf",
      {
        notRun:
          "the demo's tokenizer is none of llama.cpp's; test/gpu-runner/data/model/llama-cpp.test.ts runs all three",
      },
    ],
  ],
  "docs/gates.md": [
    [
      "api -X PATCH $URL/v1/datasets/support",
      { notRun: "goes to a system of docs/api.md; test/workers/gateway/changes.test.ts sends one like it" },
    ],
    [
      "npx node test/adversarial/run.ts",
      { notRun: "an hour; test/gpu/fleet/gates-on-adapters.test.ts makes one of the adapters, with YOHAKU_FULL=1 all" },
    ],
    ["cat > suite.csv", "run"],
  ],
  "docs/generation.md": [["cat > prompts.jsonl", "run"]],
  "docs/operate.md": [
    ["YOHAKU_RUNNER_TOKEN=", A_RUNNER],
    ["npx wrangler d1 create", ANOTHER_MACHINE],
    ["docker build", { notRun: "needs a container engine" }],
    ["RUNNER_KEY=", ANOTHER_MACHINE],
    ["export URL=", "run"],
  ],
  "docs/performance.md": [
    ["npx node test/bench/requests.ts", { notRun: "minutes to an hour; test/system runs a short one" }],
    [
      "npx node test/bench/whole-loop.ts",
      { notRun: "many minutes; test/system runs it with few pairs in the full run" },
    ],
    ["npx yohaku bench matmul", BENCHMARKS],
    ["taskset -c 0 npx yohaku bench generate", BENCHMARKS],
    ["npm run bench:peers", BENCHMARKS],
    ["npm run bench:gpu", BENCHMARKS],
  ],
  "docs/serve.md": [
    ["npx yohaku serve", { notRun: "goes on for ever; the test of the next block starts it as it stands" }],
    ["until curl", "run"],
    ["npx yohaku serve", { notRun: "goes on for ever; test/gpu/serve/cli.test.ts serves an adapter by its name" }],
    ["YOHAKU_TOKEN=", { notRun: "goes on for ever; run with the full lane of docs/api.md, which has channels" }],
  ],
  "docs/sweep.md": [["npx node infra/demo/sweep-data.ts", { notRun: "sixty runs, hours" }]],
  "docs/training.md": [
    ["cat > config.json", "full"],
    ["npx yohaku sweep", { notRun: "many runs; test/gpu/trainer runs a sweep" }],
  ],
}
