// A reward model as a judge: what its folder must hold, that its numbers are the f64 twin's of the conversation as its template writes it, and what it says of
// pairs, votes and canaries.
import { readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { readRewardFolder } from "#gpu-runner/data/model/reward-folder.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { asFloat32, tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { runYohaku, runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import {
  createWorkspace,
  jsonLines,
  storedTensors,
  TINY_FIELDS,
  tinyPairs,
  writeTinyModel,
} from "#test/gpu-runner/support/tiny-folder.ts"
import { decoderReward } from "#test/reference/decoder.ts"
import { SMALL_LLAMA_FIELDS } from "#test/reference/random-decoder.ts"
import { EOS } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const FIELDS = { ...SMALL_LLAMA_FIELDS, ...TINY_FIELDS }
const CLASSIFIER = {
  architectures: ["LlamaForSequenceClassification"],
  id2label: { "0": "LABEL_0" },
  pad_token_id: EOS,
}
const score = Float32Array.from({ length: FIELDS.hidden_size }, (_, channel) => Math.sin(1 + 3 * channel))

/** A tiny model with a head; returns its folder. */
function writeRewardModel(
  name: string,
  fields: object = {},
  heads = [tensorOf("score.weight", [1, score.length], score)],
) {
  const folder = writeTinyModel(workspace, name)
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...FIELDS, ...CLASSIFIER, ...fields }))
  const file = path.join(folder, "model.safetensors")
  writeFileSync(file, writeSafetensors([...storedTensors(folder).values(), ...heads], { format: "pt" }))
  return folder
}

const folder = writeRewardModel("reward")
const weights = new Map([...storedTensors(folder)].map(([name, tensor]) => [name, asFloat32(tensor)]))
const config = parseDecoderConfig(FIELDS)
const { tokenisation } = (await readRewardFolder(folder))!.model
/** The twin's, of a conversation as the template writes it; it ends behind the turn's end, which is the padding. */
const rewardOf = (prompt: string, content: string) => {
  const turns = { prompt: [{ role: "user", content: prompt }], response: [{ role: "assistant", content }] } as const
  return decoderReward(config, weights, score, tokenisation.tokeniseWhole(turns))
}

const pairs = tinyPairs(10)
const lines = (side: "chosen" | "rejected", more: (text: string, index: number) => string = (text) => text) =>
  jsonLines(pairs.map((pair, index) => ({ id: pair.id, responses: [{ text: more(pair[side], index) }] })))
const prompts = workspace.write("prompts.jsonl", jsonLines(pairs.map(({ id, prompt }) => ({ id, prompt }))))
const outputs = workspace.write("outputs.jsonl", lines("chosen"))
const baseline = workspace.write(
  "baseline.jsonl",
  lines("rejected", (text, index) => (index === 9 ? pairs[9]!.chosen : text)),
)
const judging = (model: string, out: string, ...more: readonly string[]) => [
  ...["judge", "--suite", "alpaca-eval-2", "--judge-model", model, "--prompts", prompts, "--outputs", outputs],
  ...["--baseline", baseline, "--out", workspace.at(out), "--bootstrap", "0", ...more],
]
const rowsIn = (out: string) => JSON.parse(readFileSync(path.join(workspace.at(out), "annotations.json"), "utf8"))

describe("a reward model judges", () => {
  test("by σ of the difference of its numbers for the whole conversations, which are the twin's", async () => {
    const { code, result, told } = await runYohakuJson(...judging(folder, "judged", "--skip-canaries"))
    expect(code, told).toBe(0)
    expect(result).toMatchObject({ n_total: 10, protocol: "reward-model" })
    const { rows, judge } = rowsIn("judged")
    expect(judge).toBe("reward")
    for (const [index, { pref, scores }] of rows.slice(0, -1).entries()) {
      const { prompt, chosen, rejected } = pairs[index]!
      const expected = [chosen, rejected].map((content) => rewardOf(prompt, content))
      expect(scores.model).toBeCloseTo(expected[0]!, 4)
      expect(scores.baseline).toBeCloseTo(expected[1]!, 4)
      expect(pref - 1).toBeCloseTo(1 / (1 + Math.exp(expected[1]! - expected[0]!)), 4)
    }
    expect(rows[9].pref).toBe(1.5)
    expect(Math.max(...rows.map(({ pref }: { pref: number }) => Math.abs(pref - 1.5)))).toBeGreaterThan(0.1)
    const again = await runYohakuJson("judge", "recompute", workspace.at("judged"), "--bootstrap", "0")
    expect(again.result).toEqual(result)
    expect(rowsIn("judged").rows).toEqual(rows)
  })

  test("pairs that people compared, and is held to that before it judges", async () => {
    const data = workspace.write("pairs.jsonl", jsonLines(pairs))
    const argv = ["judge", "calibrate", "--judge-model", folder, "--data", data, "--out", workspace.at("votes")]
    const { code, result } = await runYohakuJson(...argv, "--bootstrap", "0", "--skip-canaries")
    const right = pairs.filter(
      (pair) => rewardOf(pair.prompt, pair.chosen) > rewardOf(pair.prompt, pair.rejected),
    ).length
    expect([code, result.accepted]).toEqual(right / 10 < 0.6 ? [1, false] : [0, true])
    expect(result).toMatchObject({ pairs: 10, votes: 10, flips: 0, agreement: expect.closeTo(right / 10, 12) })
    const trusting = ["--calibration", workspace.at("votes"), "--skip-canaries"]
    expect((await runYohaku(...judging(folder, "held", ...trusting, "--least-agreement", "0"))).code).toBe(0)
    const padded = writeRewardModel("padded", { pad_token_id: EOS + 1 })
    const other = await runYohaku(...judging(padded, "padded-held", ...trusting, "--least-agreement", "0"))
    expect([other.code, other.told]).toEqual([2, expect.stringMatching(/votes is of the parameters .* are to be used/)])
    const below = await runYohaku(...judging(folder, "below", ...trusting, "--least-kappa", "1"))
    expect([below.code, below.told]).toEqual([1, expect.stringMatching(/reward: the judge .*has a κ of/)])
  })

  test("unless it does not know the better answer where nobody disputes it", async () => {
    // Weights that are random prefer about as many right answers as wrong ones: of the two signs one is wrong about the first canary.
    const turned = writeRewardModel("turned", {}, [
      tensorOf(
        "score.weight",
        [1, score.length],
        score.map((x) => -x),
      ),
    ])
    const both = await Promise.all([folder, turned].map((model) => runYohaku(...judging(model, "canaries"))))
    expect(both.map(({ code }) => code).sort()).toEqual(expect.arrayContaining([1]))
    const refused = both.find(({ code }) => code === 1)!
    expect(refused.told).toMatch(
      /(reward|turned) prefers ".*" to ".*" as an answer to ".*": what it says of others counts for nothing; choose another judge, or say --skip-canaries/,
    )
  })
})

describe("a folder that is no reward model here", () => {
  const head = (shape: readonly number[]) =>
    tensorOf("score.weight", shape, new Float32Array(shape.reduce((size, of) => size * of, 1)))

  test.each<[string, () => string, RegExp]>([
    [
      "another family",
      () => writeRewardModel("bert", { architectures: ["BertForSequenceClassification"], model_type: "bert" }),
      /reward model BertForSequenceClassification is not supported; use one of LlamaForSequenceClassification, .*Gemma3TextForSequenceClassification/,
    ],
    [
      "several labels, by its config",
      () => writeRewardModel("three", { id2label: { "0": "a", "1": "b", "2": "c" } }),
      /config\.json has 3 labels, and a reward is one number/,
    ],
    [
      "several labels, by its weights",
      () => writeRewardModel("two", { id2label: undefined }, [head([2, score.length])]),
      /score\.weight has 2 labels, and a reward is one number/,
    ],
    [
      "a bias",
      () => writeRewardModel("bias", {}, [head([1, score.length]), tensorOf("score.bias", [1], new Float32Array(1))]),
      /score\.bias: a reward head with a bias is not supported/,
    ],
    [
      "a padding that is no token",
      () => writeRewardModel("unpadded", { pad_token_id: -1 }),
      /config\.json: pad_token_id is -1, which is no token; name the one that fills up/,
    ],
    ["no head", () => writeRewardModel("headless", {}, []), /score\.weight is missing/],
    [
      "a head of another size",
      () => writeRewardModel("narrow", {}, [head([1, 8])]),
      /score\.weight has shape \[1,8\], expected \[1,32\]/,
    ],
  ])("%s is refused by name", async (_, write, message) => {
    const { code, told } = await runYohaku(...judging(write(), "x"))
    expect([code, told]).toEqual([1, expect.stringMatching(message)])
  })

  test.each(["--judge-adapter", "--reward", "--beta"])("%s is not read with one that is", async (option) => {
    const { code, told } = await runYohaku(...judging(folder, "x", option, "sum"))
    expect([code, told]).toEqual([
      2,
      expect.stringMatching(new RegExp(`${option} is not read with .*reward, a reward model`)),
    ])
  })

  test("one that is does not generate, and is refused where a model is asked for", async () => {
    const { code, told } = await runYohaku(
      "score",
      "--model",
      folder,
      "--data",
      prompts,
      "--out",
      workspace.at("x.jsonl"),
    )
    expect([code, told]).toEqual([
      1,
      expect.stringMatching(/architecture \["LlamaForSequenceClassification"\] is not supported/),
    ])
  })
})
