// The commands that need a device, one after another as a user would: score, train with that reference, eval, resume, merged export.
import { existsSync, readFileSync, rmSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, jsonLines, tinyPairs, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = writeTinyModel(workspace)
const data = workspace.write("pairs.jsonl", jsonLines(tinyPairs(10)))
const settings = { epochs: 8, batch: 5, loraRank: 4, learningRate: 5e-3, warmupRatio: 0 }
const config = workspace.write("config.json", JSON.stringify(settings))
const reference = workspace.at("reference.jsonl")

const train = (...more: readonly string[]) => runYohakuJson("train", "--model", model, "--data", data, ...more)

const lines = (file: string) =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))

test("doctor says what the adapter is, and that it computes rightly", async () => {
  const { code, result } = await runYohakuJson("doctor")
  expect(code).toBe(0)
  expect(result.isHealthy).toBe(true)
  expect(result.matmulError).toBeLessThan(1e-5)
  expect(result.versions.webgpu).toMatch(/^\d+\.\d+/)
})

test("score writes one line a pair: id, and for both responses logProbs, sum and count", async () => {
  const { code, result } = await runYohakuJson("score", "--model", model, "--data", data, "--out", reference)
  expect(code).toBe(0)
  expect(result.pairs).toBe(10)
  const rows = lines(reference)
  expect(rows.map(({ id }) => id)).toEqual(tinyPairs(10).map(({ id }) => id))
  for (const row of rows) {
    expect(Object.keys(row)).toEqual(["id", "chosen", "rejected"])
    for (const { logProbs, sum, count } of [row.chosen, row.rejected]) {
      expect(logProbs).toHaveLength(count)
      expect(logProbs.reduce((total: number, value: number) => total + value, 0)).toBeCloseTo(sum, 5)
      expect(Math.max(...logProbs)).toBeLessThan(0)
    }
  }
})

test("train with that reference equals train without one, and every promised file is there", async () => {
  const common = ["train", "--model", model, "--data", data, "--config", config]
  const given = await runYohakuJson(...common, "--reference", reference, "--out", workspace.at("given"))
  expect(given.code).toBe(0)
  expect(given.result.reference.source).toBe("given")
  const computed = await runYohakuJson(...common, "--out", workspace.at("computed"))
  expect(computed.result.reference.source).toBe("computed")
  const [a, b] = ["given", "computed"].map((out) => lines(workspace.at(out, "metrics.jsonl")))
  expect(a).toHaveLength(16)
  a!.forEach((line, i) => {
    expect(Math.abs(line.loss - b![i].loss)).toBeLessThan(1e-3)
  })
  const files = [
    "adapter_model.safetensors",
    "adapter_config.json",
    "metrics.jsonl",
    "config.resolved.json",
    "report.json",
    "README.md",
  ]
  for (const file of files) expect(existsSync(workspace.at("given", file)), file).toBe(true)
  expect(JSON.parse(readFileSync(workspace.at("given", "config.resolved.json"), "utf8"))).toMatchObject(settings)
  expect(readFileSync(workspace.at("given", "README.md"), "utf8")).toMatch(
    /\| command \| `yohaku train --model \S+ --data /,
  )
})

test("train --profile writes where the first steps' time went, and changes nothing else", async () => {
  const out = ["--config", config, "--profile", "--out", workspace.at("profiled")]
  const { code, result } = await train(...out)
  expect(code).toBe(0)
  const report = JSON.parse(readFileSync(workspace.at("computed", "report.json"), "utf8"))
  expect(result.files["adapter_model.safetensors"]).toBe(report.files["adapter_model.safetensors"])
  const profile = JSON.parse(readFileSync(workspace.at("profiled", "profile.json"), "utf8"))
  expect(profile.steps).toBe(16)
  const sum = (rows: readonly { ms: number }[]) => rows.reduce((total, { ms }) => total + ms, 0)
  expect(sum(profile.phases)).toBeCloseTo(profile.busyMs, 9)
  expect(sum(profile.kernels)).toBeCloseTo(profile.busyMs, 9)
  expect(profile.busyMs).toBeLessThanOrEqual(profile.spanMs)
  expect(profile.phases.map(({ phase }: { phase: string }) => phase)).toContain("optimiser")
})

test("a resolved configuration, given back, is the same run", async () => {
  const resolved = workspace.at("computed", "config.resolved.json")
  const again = await train("--config", resolved, "--out", workspace.at("again"))
  const report = JSON.parse(readFileSync(workspace.at("computed", "report.json"), "utf8"))
  expect(again.result.files).toEqual(report.files)
})

test("--resume of a finished run repeats nothing and leaves the same adapter", async () => {
  const out = workspace.at("computed")
  const before = readFileSync(workspace.at("computed", "adapter_model.safetensors"))
  const { code, result } = await train("--config", config, "--out", out, "--resume")
  expect(code).toBe(0)
  expect(result.resumedFromStep).toBe(16)
  expect(readFileSync(workspace.at("computed", "adapter_model.safetensors")).equals(before)).toBe(true)
})

test("eval tells base and policy apart; merging the adapter keeps the policy's accuracy", async () => {
  const adapter = workspace.at("given")
  const tuned = await runYohakuJson("eval", "--model", model, "--adapter", adapter, "--data", data)
  expect(tuned.code).toBe(0)
  expect(tuned.result.accuracy).toBe(1)
  expect(tuned.result.base.accuracy).toBeLessThan(1)
  expect(Math.abs(tuned.result.klPerToken)).toBeGreaterThan(0.01)
  const merged = workspace.at("merged")
  expect(
    (await runYohakuJson("export", "--model", model, "--adapter", adapter, "--format", "merged", "--out", merged)).code,
  ).toBe(0)
  const scores = workspace.at("merged.jsonl")
  await runYohakuJson("score", "--model", merged, "--data", data, "--out", scores)
  const adapted = workspace.at("adapted.jsonl")
  await runYohakuJson("score", "--model", model, "--adapter", adapter, "--data", data, "--out", adapted)
  const expected = lines(adapted)
  lines(scores).forEach((row, i) => {
    expect(Math.abs(row.chosen.sum - expected[i].chosen.sum)).toBeLessThan(1e-3)
  })
})

test("eval has base and policy answer a suite too, judged by another adapter; exchanged, wins are losses", async () => {
  const pairs = lines(data).slice(0, 4)
  const suite = workspace.write(
    "suite.jsonl",
    jsonLines(pairs.map((pair, id) => ({ id, ...pair, metadata: { half: String(id % 2) } }))),
  )
  const judge = ["--judge", workspace.at("computed"), "--prompts", suite, "--max-tokens", "6"]
  const given = workspace.at("given")
  const evaluated = (...who: readonly string[]) =>
    runYohakuJson("eval", "--model", model, "--data", data, "--precision", "f32", ...judge, ...who)
  const { code, told, result } = await evaluated("--adapter", given)
  expect(code, told).toBe(0)
  const { wins, losses, ties, rate, low, high, groups, judgeAccuracy } = result.answers
  expect([wins + losses + ties, rate]).toEqual([4, (wins + ties / 2) / 4])
  expect([low < rate || rate === 0, high > rate || rate === 1]).toEqual([true, true])
  expect(groups.map(({ key, value }: { key: string; value: string }) => [key, value])).toEqual([
    ["half", "0"],
    ["half", "1"],
  ])
  // It was trained to put these very pairs right.
  expect(judgeAccuracy).toMatchObject({ pairs: 4, accuracy: 1 })
  const exchanged = (await evaluated("--against", given)).result.answers
  expect([exchanged.wins, exchanged.losses, exchanged.ties]).toEqual([losses, wins, ties])
})

test("a reference of another model is refused with exit code 1 and one line, by its origin or by the self-test", async () => {
  const other = workspace.at("other.jsonl")
  await runYohakuJson("score", "--model", writeTinyModel(workspace, "other", 3), "--data", data, "--out", other)
  const out = workspace.at("refused")
  const refused = await train("--reference", other, "--out", out)
  expect(refused.code).toBe(1)
  expect(refused.told).toMatch(
    /^yohaku train: .*other\.jsonl was scored with model .*weights, precision of the weights \(baseWeights\), tokenizer or template differ/,
  )
  rmSync(`${other}.origin.json`)
  const { code, told } = await train("--reference", other, "--out", out)
  expect(code).toBe(1)
  expect(told).toMatch(/^yohaku train: before the first step, policy and reference differ by .* nats per token/)
  expect(existsSync(workspace.at("refused", "report.json"))).toBe(false)
})

test("heldOutShare judges by prompts that are not trained on, and excludes --held-out", async () => {
  const shared = workspace.write("share.json", JSON.stringify({ ...settings, epochs: 1, heldOutShare: 0.25 }))
  const common = ["train", "--model", model, "--data", data, "--config", shared, "--out", workspace.at("shared")]
  const { code, result } = await runYohakuJson(...common)
  expect(code).toBe(0)
  expect(result.pairs).toMatchObject({ train: 7, heldOut: 3 })
  expect(result.heldOut.after.pairs).toBe(3)
  const both = await runYohakuJson(...common, "--held-out", data)
  expect(both.code).toBe(2)
  expect(both.told).toContain("heldOutShare and --held-out exclude each other; keep one")
})

test("a reference scored on nf4 serves a run on nf4, is refused by one in f32, and eval judges the base as held", async () => {
  const quantised = workspace.at("nf4.jsonl")
  const nf4 = ["--model", model, "--data", data, "--base-weights", "nf4"]
  const scored = await runYohakuJson("score", ...nf4, "--out", quantised)
  const exact = await runYohakuJson("score", "--model", model, "--data", data, "--out", workspace.at("exact.jsonl"))
  expect(scored.result.model).not.toBe(exact.result.model)
  const common = ["--reference", quantised, "--config", config, "--out", workspace.at("nf4")]
  const trained = await runYohakuJson("train", ...nf4, ...common)
  expect(trained.code).toBe(0)
  expect(trained.result.selfTest.maxDifference).toBeLessThan(1e-6)
  expect(trained.result.config.baseWeights).toBe("nf4")
  const refused = await train(...common)
  expect(refused.code).toBe(1)
  expect(refused.told).toMatch(/precision of the weights \(baseWeights\)/)
  const held = await runYohakuJson("eval", ...nf4, "--adapter", workspace.at("nf4"))
  expect(held.result.accuracy).toBe(1)
})

test("kto trains on labelled completions beside pairs, judged on held-out pairs", async () => {
  const labelled = tinyPairs(6).flatMap(({ id, prompt, chosen, rejected }) => [
    { id: `${id}+`, prompt, completion: chosen, label: true },
    { id: `${id}-`, prompt, completion: rejected, label: false },
  ])
  const pairs = tinyPairs(8).slice(6)
  const mixed = workspace.write("mixed.jsonl", jsonLines([...labelled, ...pairs]))
  const out = workspace.at("kto")
  const common = ["train", "--model", model, "--data", mixed, "--config", config, "--method", "kto"]
  const { code, result } = await runYohakuJson(...common, "--held-out", data, "--out", out)
  expect(code).toBe(0)
  expect(result.pairs).toMatchObject({ train: 16, heldOut: 10 })
  expect(result.reference.source).toBe("computed")
  expect(result.heldOut.after.accuracy).toBe(1)
  // Reference and step lie in different micro-batches, so kl, which is never negative, is 0 up to rounding.
  const first = { loss: expect.closeTo(0.5, 4), kl: expect.closeTo(0, 5) }
  expect(lines(workspace.at("kto", "metrics.jsonl"))[0]).toMatchObject(first)
  const refused = await runYohakuJson(...common, "--reference", reference, "--out", workspace.at("kto-refused"))
  expect(refused.code).toBe(2)
  expect(refused.told).toMatch(/kto scores its own reference.*leave --reference out/)
  const asPairs = await runYohakuJson(
    "train",
    "--model",
    model,
    "--data",
    mixed,
    "--method",
    "dpo",
    "--out",
    workspace.at("none"),
  )
  expect(asPairs.code).toBe(1)
  expect(asPairs.told).toMatch(/mixed\.jsonl:1: .*training with method kto alone reads; give pairs/)
})

test("ld-dpo reads a reference token by token from what score wrote, and refuses one of sums", async () => {
  const common = ["train", "--model", model, "--data", data, "--config", config, "--method", "ld-dpo"]
  const { code, result } = await runYohakuJson(...common, "--reference", reference, "--out", workspace.at("ld-dpo"))
  expect(code).toBe(0)
  expect(result.reference.source).toBe("given")
  expect(result.config).toMatchObject({ method: "ld-dpo", ldAlpha: 0.5, beta: 0.1 })
  expect(result.config).not.toHaveProperty("alpha")
  const side = ({ sum, count }: { sum: number; count: number }) => ({ sum, count })
  const sums = lines(reference).map(({ id, chosen, rejected }) => ({
    id,
    chosen: side(chosen),
    rejected: side(rejected),
  }))
  const bare = workspace.write("sums.jsonl", jsonLines(sums))
  const refused = await runYohakuJson(...common, "--reference", bare, "--out", workspace.at("ld-dpo-refused"))
  expect(refused.code).toBe(1)
  expect(refused.told).toMatch(/has sums but no logProbs, which ld-dpo needs token by token; score the data again/)
})
