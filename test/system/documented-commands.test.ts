// The commands of README.md and docs/ do what the pages say, as they stand there, on the Node that the machine has (20 or newer).
// Replaced are only addresses: of the gateway by that of the one started here, of the hub and of the labelling tools by local ones.
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { migrate } from "#infra/local/migration.ts"
import { ProcessTable, type Service } from "#infra/local/processes.ts"
import { localSecrets } from "#infra/local/secrets.ts"
import { startWorkers } from "#infra/local/workers.ts"
import { isFullRun } from "#test/full-run.ts"
import { type LocalHub, repositoryOf, startLocalHub } from "#test/gpu-runner/data/hub/local-hub.ts"
import { commandBlocks, LANES, repositoryRoot } from "#test/infra/docs/documented-commands.ts"
import { freePort } from "./free-port.ts"
import { startJudgeServer } from "./judge-server.ts"
import { type LabellingTools, startLabellingTools } from "./labelling-tools.ts"

const REPOSITORY = "Qwen/Qwen2.5-0.5B-Instruct"
/** So many rows of each data file, unless all are asked for. */
const FEW_ROWS = { "pairs.jsonl": 24, "held-out.jsonl": 8 }

const directory = mkdtempSync(path.join(tmpdir(), "yohaku-commands-"))
const stateDirectory = path.join(directory, "state")
const services: Service[] = []
let url = ""
let hub: LocalHub
let tools: LabellingTools

/** Without this project's own programs, `node` is the machine's, as it is for who types the commands. */
const machinePath = process.env
  .PATH!.split(path.delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .join(path.delimiter)

interface ShellResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const endGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGTERM")
  } catch {
    // Nothing of it is left.
  }
}

const shell = (script: string, cwd: string): Promise<ShellResult> =>
  new Promise((resolve) => {
    const child = spawn("bash", ["-c", `set -euo pipefail\n${script}`], {
      cwd,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...{ HOME: directory, PATH: machinePath, HF_ENDPOINT: hub.endpoint, npm_config_update_notifier: "false" },
        ...{ XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir() },
        ...{ LABEL_STUDIO: tools.url, LABEL_STUDIO_KEY: "key", ARGILLA: tools.url, ARGILLA_KEY: "key" },
      },
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (bytes: Buffer) => (stdout += bytes.toString()))
    child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()))
    // npx passes no signal on: what a page starts in the background is ended with its group.
    child.on("exit", () => endGroup(child.pid!))
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

/** A directory that looks like a checkout, with its own outputs, and the pages' MODEL and data files in it. */
const checkout = async (name: string, rows: "few" | "all"): Promise<string> => {
  const folder = path.join(directory, name)
  mkdirSync(path.join(folder, ".yohaku"), { recursive: true })
  for (const entry of ["infra", "gpu-runner", "shared", "test", "node_modules", "package.json"])
    symlinkSync(path.join(repositoryRoot, entry), path.join(folder, entry))
  symlinkSync(path.join(repositoryRoot, "infra/demo/model"), path.join(folder, "MODEL"))
  symlinkSync(stateDirectory, path.join(folder, ".yohaku/local"))
  expect(await shell("npx node infra/demo/sweep-data.ts --out .", folder)).toMatchObject({ code: 0 })
  if (rows === "few")
    for (const [file, count] of Object.entries(FEW_ROWS)) {
      const lines = readFileSync(path.join(folder, file), "utf8").split("\n")
      writeFileSync(path.join(folder, file), `${lines.slice(0, count).join("\n")}\n`)
    }
  return folder
}

/** The page's blocks of a lane, as one script. */
const scriptOf = (page: string, lane: "run" | "apart" | "full"): string =>
  commandBlocks(page)
    .filter((_, index) => LANES[page]![index]![1] === lane)
    .map(({ script }) => script.replaceAll("http://127.0.0.1:8787", url))
    .join("\n")

beforeAll(async () => {
  hub = await startLocalHub(REPOSITORY)
  hub.commit(repositoryOf(path.join(repositoryRoot, "infra/demo/model")))
  tools = await startLabellingTools()
  const secrets = localSecrets(stateDirectory)
  const table = new ProcessTable(stateDirectory)
  await migrate(table, { root: repositoryRoot, stateDirectory, say: console.error })
  const workers = await startWorkers(table, {
    ...{ root: repositoryRoot, stateDirectory, port: await freePort(), envFile: secrets.envFile },
  })
  services.push(workers)
  url = workers.url
})

afterAll(async () => {
  for (const service of services) await service.stop()
  tools?.close()
  await hub?.close()
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
})

test("README.md: a model is pulled, an adapter trained, judged and exported", async () => {
  const folder = await checkout("readme", "few")
  const { code, stdout, stderr } = await shell(scriptOf("README.md", "run"), folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toMatch(/^adapter: alpha-dpo, \d+ steps in .*, held-out accuracy/m)
  for (const file of ["adapter/adapter_model.safetensors", "merged/model.safetensors"])
    expect(existsSync(path.join(folder, file))).toBe(true)
})

test("docs/data.md and docs/files-and-metrics.md: data are checked, a pulled model is trained by its name", async () => {
  const folder = await checkout("files", "few")
  const pages = ["docs/data.md", "docs/files-and-metrics.md"].map((page) => scriptOf(page, "run")).join("\n")
  const { code, stdout, stderr } = await shell(pages, folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toContain(`${FEW_ROWS["pairs.jsonl"]} pairs`)
  expect(stdout).toContain(REPOSITORY)
})

test("docs/generation.md: two responses to each of two prompts", async () => {
  const folder = await checkout("generation", "few")
  const { code, stdout, stderr } = await shell(scriptOf("docs/generation.md", "run"), folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toMatch(/^responses\.jsonl: 4 responses to 2 prompts, \d+ tokens/m)
})

test("docs/serve.md: a server that started lists its model, answers whole, and streams", async () => {
  const folder = await checkout("serve", "few")
  const [server] = commandBlocks("docs/serve.md")
  const script = `${server!.script.trim()} > serve.log &\n${scriptOf("docs/serve.md", "run")}`
  const { code, stdout, stderr } = await shell(script.replaceAll("8000", `${await freePort()}`), folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toContain('{"object":"list","data":[{"id":"model"')
  expect(stdout).toMatch(/"object":"chat\.completion".*"role":"assistant","content":"[^"]+"/)
  expect(stdout).toMatch(/^data: \{.*"object":"chat\.completion\.chunk"/m)
  expect(stdout).toMatch(/^data: \[DONE\]$/m)
})

test("docs/gates.md: a suite's prompts, and the rates of answers that the page shows", async () => {
  const folder = await checkout("gates", "few")
  const { code, stdout, stderr } = await shell(scriptOf("docs/gates.md", "run"), folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const page = readFileSync(path.join(repositoryRoot, "docs/gates.md"), "utf8")
  const shown = /^```text\n(?<lines>[\s\S]*?)^```$/m.exec(page)!.groups!.lines!
  expect(stdout).toBe(`suite.jsonl: 2 prompts\n${shown}`)
})

test("docs/evaluation.md: verdicts become the tables that the page shows", async () => {
  const folder = await checkout("evaluation", "few")
  const { code, stdout, stderr } = await shell(scriptOf("docs/evaluation.md", "run"), folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const page = readFileSync(path.join(repositoryRoot, "docs/evaluation.md"), "utf8")
  const fenced = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  const shown = fenced.flatMap(([, language, lines]) => (language === "" ? lines! : []))
  expect(shown.length).toBeGreaterThanOrEqual(3)
  expect(stdout).toBe(shown.join(""))
  expect(stderr.match(/^warning: support-v2: length control moved/gm)).toHaveLength(1)
})

test("docs/evaluation.md: from a model's own answers to a length-controlled win rate with an interval, twice the same", async () => {
  const folder = await checkout("judged", "few")
  const judge = await startJudgeServer()
  try {
    const script = scriptOf("docs/evaluation.md", "apart").replaceAll("http://127.0.0.1:8000", judge.origin)
    const { code, stdout, stderr } = await shell(script, folder)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const tables = stdout.split("\n").filter((line) => line.startsWith("likeliest "))
    expect(tables).toHaveLength(2)
    expect(tables[0]).toMatch(/^likeliest +[\d.]+ +[\d.]+ to [\d.]+ +[\d.]+ +[\d.]+ to [\d.]+ +20 /)
    expect(tables[1]).toBe(tables[0])
    // Equal answers are not asked about.
    const asked = Number(/^20 pairs, \d+ of equal answers; (\d+) of \d+ questions to ask/m.exec(stderr)![1])
    expect(judge.requests()).toBe(asked)
  } finally {
    judge.close()
  }
})

test("docs/api.md: every call is answered, from a key to a cancelled run", async () => {
  const folder = await checkout("api", "few")
  const { code, stdout, stderr } = await shell(scriptOf("docs/api.md", "run"), folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  // One delivery is refused on purpose, listed, and replayed with the mended mapping.
  expect(stdout.match(/urn:yohaku:problem:[\w-]+/g)).toEqual(["urn:yohaku:problem:unusable-delivery"])
  expect(stdout).toMatch(/"status":"refused"[^}]*"canBeReplayed":true[\s\S]*^\{"status":"accepted"\}$/m)
  expect(stdout).toContain(`"accepted":${FEW_ROWS["pairs.jsonl"]}`)
  expect(stdout).toContain('"status":"cancelled"')
  // Each of the two generated clients: a comparison, an upload of two, a page of two with more behind it, a run.
  expect(stdout.match(/^accepted 2 2 true\ncancelled$/gm)).toHaveLength(2)
  expect([...tools.addresses.values()]).toEqual([
    expect.stringMatching(/^https:\/\/yohaku\.example\.com\/v1\/webhooks\/argilla\//),
  ])
})

test("docs/operate.md: from a model on the hub a team gets its first adapter, scored, trained and judged by its runner", async () => {
  const folder = await checkout("operate", "few")
  const { code, stdout, stderr } = await shell(scriptOf("docs/operate.md", "run"), folder)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).not.toContain("urn:yohaku:problem:")
  expect(stdout).toContain("place: 'runner'")
  expect(stdout).toContain(`${FEW_ROWS["pairs.jsonl"]} pairs`)
  expect(stdout).toMatch(/^gain-over-base: (true|false): /m)
  expect(stdout).toMatch(/"channel":"candidate"[^}]*"version":1/)
})

describe.skipIf(!isFullRun)("with the demo's data (npm run test:full)", () => {
  test("docs/api.md, docs/serve.md: a second runner trains two adapters, which are promoted, rolled back, served, downloaded and merged", {
    timeout: 600_000,
  }, async () => {
    const folder = await checkout("models", "few")
    const [runner] = commandBlocks("docs/operate.md")
    const [access, keys] = commandBlocks("docs/api.md")
    const [, , , follow] = commandBlocks("docs/serve.md")
    const port = await freePort()
    expect(keys!.script).toContain('"scopes":["ingest"]')
    const trained = (seed: number) => `
      RUN=$(api -X POST $URL/v1/datasets/support/runs -H "idempotency-key: seed-${seed}" \
        -d '{"config": {"seed": ${seed}, "maxSteps": 2}, "promotion": "never", "modelName": "demo"}' | field .runId)
      until api $URL/v1/runs/$RUN | grep -E '"status":"(succeeded|failed|cancelled)"'; do sleep 1; done`
    const script = `${access!.script}
      ${keys!.script.split("\n")[0]!.replace('["ingest"]', '["runner"]').replace("key-1", "key-2")}
      ${runner!.script.trim().replace("…", "$(field .key < key.json)")} > runner.log 2>&1 &
      ${trained(1)}
      ${trained(2)}
      ${scriptOf("docs/api.md", "full")}
      ${follow!.script
        .trim()
        .replace("…", "$KEY")
        .replace(/http\S+/, "$URL")
        .replace("support", "demo")} --port ${port} 2>&1 &
      until curl -sf http://127.0.0.1:${port}/health; do sleep 1; done
      curl -sS http://127.0.0.1:${port}/v1/completions -H "content-type: application/json" \
        -d '{"model": "demo@production", "prompt": "Tea", "temperature": 0}'`
    const { code, stdout, stderr } = await shell(script.replaceAll("http://127.0.0.1:8787", url), folder)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).not.toContain("urn:yohaku:problem:")
    expect(stdout.match(/"status":"succeeded"/g)).toHaveLength(2)
    expect(stdout).toContain("demo@production is version 1 from now on")
    expect(stdout).toMatch(/"object":"text_completion",.*"model":"demo@production"/)
    expect(existsSync(path.join(folder, "served/model.safetensors"))).toBe(true)
  })

  test("docs/training.md: the figures that the page gives are the ones that come out", {
    timeout: 1_200_000,
  }, async () => {
    const folder = await checkout("training", "all")
    const script = `${scriptOf("docs/training.md", "full")}\nnpx yohaku eval --model merged --data held-out.jsonl`
    const { code, stdout, stderr } = await shell(script, folder)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const page = readFileSync(path.join(repositoryRoot, "docs/training.md"), "utf8")
    const [, steps, losses] = /^adapter: dpo, (\d+ steps) in [^,]*, (.*)$/m.exec(page)!
    expect(stdout).toContain(steps)
    expect(stdout).toContain(losses)
    expect(stdout).toContain(losses!.match(/[\d.]+ %$/)![0])
  })
})
