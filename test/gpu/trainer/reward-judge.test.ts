// A tuned model as a judge that asks nobody: its verdicts are those of `yohaku score`'s log-probs, the same to the bit at every start, and are measured on
// people's votes like any judge's.
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { runYohaku, runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import {
  createWorkspace,
  jsonLines,
  tinyPairs,
  writeTinyAdapter,
  writeTinyModel,
} from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = writeTinyModel(workspace)
const adapter = await writeTinyAdapter(workspace, model)
const pairs = tinyPairs(12)
const promptsOf = jsonLines(pairs.map(({ id, prompt }) => ({ id, prompt })))
const prompts = workspace.write("prompts.jsonl", promptsOf)
const answers = (name: string, side: "chosen" | "rejected", more: (text: string, index: number) => string) =>
  workspace.write(
    name,
    jsonLines(pairs.map((pair, index) => ({ id: pair.id, responses: [{ text: more(pair[side], index) }] }))),
  )
const outputs = answers("outputs.jsonl", "chosen", (text) => text)
// The last answer is the model's own.
const baseline = answers("baseline.jsonl", "rejected", (text, index) => (index === 11 ? pairs[11]!.chosen : text))
const data = workspace.write("pairs.jsonl", jsonLines(pairs))

const judging = (out: string, ...more: readonly string[]) => [
  ...["judge", "--suite", "alpaca-eval-2", "--judge-model", model, "--judge-adapter", adapter, "--prompts", prompts],
  ...["--outputs", outputs, "--baseline", baseline, "--out", workspace.at(out), "--bootstrap", "0", ...more],
]
const fileIn = (out: string) => readFileSync(path.join(workspace.at(out), "annotations.json"), "utf8")

interface Scored {
  readonly id: string
  readonly chosen: { readonly sum: number; readonly count: number }
  readonly rejected: { readonly sum: number; readonly count: number }
}

async function scored(out: string, ...more: readonly string[]): Promise<Scored[]> {
  const file = workspace.at(out)
  const { code, told } = await runYohaku(
    "score",
    "--model",
    model,
    "--data",
    data,
    "--out",
    file,
    "--precision",
    "f32",
    ...more,
  )
  expect(code, told).toBe(0)
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
}

const policy = await scored("policy.jsonl", "--adapter", adapter)
const reference = await scored("reference.jsonl")
const logistic = (x: number) => 1 / (1 + Math.exp(-x))

describe("an adapter judges", () => {
  test("by β times the log-ratios that yohaku score gives, the same to the bit at every start", async () => {
    const { code, result, told } = await runYohakuJson(...judging("judged"))
    expect(code, told).toBe(0)
    expect(result).toMatchObject({ n_total: 12, protocol: "implicit-reward" })
    expect(told).toMatch(/warning: outputs: verdicts are the own reward of a tuned model, .* \(implicit-reward\)/)
    const { rows, judge, reward, beta } = JSON.parse(fileIn("judged"))
    expect([judge, reward, beta, rows.length]).toEqual(["adapter", "sum", 0.1, 12])
    for (const [index, { pref }] of rows.slice(0, -1).entries()) {
      const of = ({ chosen, rejected }: Scored) => chosen.sum - rejected.sum
      expect(pref - 1).toBeCloseTo(logistic(0.1 * (of(policy[index]!) - of(reference[index]!))), 6)
    }
    expect(rows[11]).toEqual({ i: 11, len1: rows[11].len2, len2: rows[11].len2, pref: 1.5 })
    // Random adapters have opinions.
    expect(Math.max(...rows.map(({ pref }: { pref: number }) => Math.abs(pref - 1.5)))).toBeGreaterThan(0.01)
    await runYohaku(...judging("again"))
    expect(fileIn("again")).toBe(fileIn("judged"))
  })

  test("by token where it is told so; without an adapter by its own mean log-prob", async () => {
    await runYohaku(...judging("mean", "--reward", "mean", "--beta", "2"))
    const mean = ({ sum, count }: Scored["chosen"]) => sum / count
    const of = ({ chosen, rejected }: Scored) => mean(chosen) - mean(rejected)
    expect(JSON.parse(fileIn("mean")).rows[0].pref - 1).toBeCloseTo(
      logistic(2 * (of(policy[0]!) - of(reference[0]!))),
      6,
    )
    const bare = judging("bare").filter((word) => word !== "--judge-adapter" && word !== adapter)
    await runYohaku(...bare)
    expect(JSON.parse(fileIn("bare")).rows[0].pref - 1).toBeCloseTo(logistic(2.5 * of(reference[0]!)), 6)
  })

  test("as the first rung of a ladder, whose verdicts stand where it is sure; and they can be counted again", async () => {
    await runYohaku(...judging("rung"))
    const before = JSON.parse(fileIn("rung")).rows as { pref: number }[]
    // Nobody answers there: all is decided before.
    const endpoint = ["--judge", "paid", "--url", "http://127.0.0.1:9/v1", "--skip-canaries"]
    const argv = [
      "judge",
      "--suite",
      "alpaca-eval-2",
      "--prompts",
      prompts,
      "--outputs",
      outputs,
      "--baseline",
      baseline,
    ]
    const above = [...argv, ...endpoint, "--after", workspace.at("rung"), "--bootstrap", "0"]
    const { code, result, told } = await runYohakuJson(...above, "--undecided", "0", "--out", workspace.at("ladder"))
    expect(code, told).toBe(0)
    expect(result.ladder.judges).toEqual({ adapter: 11, paid: 0 })
    const after = JSON.parse(fileIn("ladder")).rows as { pref: number }[]
    expect(after.map(({ pref }) => pref)).toEqual(before.map(({ pref }) => pref))
    const again = await runYohakuJson("judge", "recompute", workspace.at("rung"), "--bootstrap", "0")
    expect([again.code, again.result.protocol]).toEqual([0, "implicit-reward"])
    expect(JSON.parse(fileIn("rung")).rows).toEqual(before)
  })

  test("and is warned of where it is wrong about canaries, which is no reason against an adapter of one domain", async () => {
    const { code, told } = await runYohaku(...judging("canaries"))
    // Seeded random weights have no better taste than a coin.
    expect(code).toBe(0)
    expect(told).toMatch(/^warning: adapter prefers ".*" to ".*"/m)
    expect((await runYohaku(...judging("silent", "--skip-canaries"))).told).not.toMatch(/prefers/)
    // What is of its own domain it must know: of two canaries that say the opposite it is wrong about one.
    const [good, bad] = [" please see pump", " NO! PUMP"]
    const own = [
      { good, bad },
      { good: bad, bad: good },
    ].map((sides) => ({ instruction: "About pump?", ...sides }))
    const canaries = workspace.write("canaries.jsonl", jsonLines(own))
    const refused = await runYohaku(...judging("own", "--canaries", canaries))
    expect([refused.code, refused.told]).toEqual([
      1,
      expect.stringMatching(/as an answer to "About pump\?": what it says of others/),
    ])
  })

  test("all but what has no log-prob: an empty answer is told, and too many of them are no win rate", async () => {
    const empty = answers("empty.jsonl", "chosen", (text, index) => (index === 2 ? "" : text))
    const { code, told } = await runYohaku(...judging("empty", "--outputs", empty))
    expect(code).toBe(1)
    expect(told).toMatch(/warning: 1 of 11 pairs have no verdict: empty/)
    expect(told).toMatch(/holds a preference for 11 of 12 pairs of answers, fewer than 99 %/)
  })

  test("pairs that people compared, and is accepted or refused by them", async () => {
    const argv = ["judge", "--suite", "calibration", "--judge-model", model, "--judge-adapter", adapter, "--data", data]
    const { code, result } = await runYohakuJson(...argv, "--out", workspace.at("votes"), "--bootstrap", "0")
    expect(code).toBe(0)
    const right = policy.filter(({ chosen, rejected }, index) => {
      const base = reference[index]!
      return chosen.sum - rejected.sum > base.chosen.sum - base.rejected.sum
    }).length
    expect(result).toMatchObject({ pairs: 12, votes: 12, flips: 0 })
    expect(result.agreement).toBeCloseTo(right / 12, 12)
    expect(result.accepted).toBe(right / 12 >= 0.6)
    const { pairs: voted } = JSON.parse(fileIn("votes"))
    const firsts = voted.filter(({ votes }: { votes: number[] }) => votes[0] === 0).length
    expect(firsts).toBeGreaterThan(1)
    expect(firsts).toBeLessThan(11)
  })

  test("only if its own measure, and no other reward's, is above the bar", async () => {
    const votes = ["--calibration", workspace.at("votes")]
    const above = await runYohaku(...judging("trusted", ...votes, "--least-agreement", "0"))
    expect([above.code, above.told]).toEqual([0, expect.stringMatching(/^adapter goes with people at /m)])
    const below = await runYohaku(...judging("below", ...votes, "--least-agreement", "1"))
    expect([below.code, below.told]).toEqual([1, expect.stringMatching(/below the 100\.0 % that are asked for/)])
    const other = await runYohaku(...judging("other", ...votes, "--beta", "0.2"))
    expect([other.code, other.told]).toEqual([2, expect.stringMatching(/is of the parameters .*"beta":0\.1/)])
  })
})

test.each<[string, readonly string[], RegExp]>([
  [
    "labels of a judge that gives none",
    judging("x", "--suite", "arena-hard-2"),
    /--judge-model gives none; take alpaca-eval-2/,
  ],
  [
    "two judges",
    judging("x", "--judge", "j"),
    /--judge is not read with --judge-model, which asks nobody; leave it away/,
  ],
  ["a reward that is none", judging("x", "--reward", "max"), /--reward max is unknown; use sum or mean/],
  ["a β that is none", judging("x", "--beta", "0"), /--beta 0: give a number above 0/],
  [
    "β of an endpoint",
    ["judge", "--suite", "alpaca-eval-2", "--outputs", outputs, "--baseline", baseline, "--beta", "1"],
    /--beta is not read with an endpoint's judge/,
  ],
  [
    "votes without pairs",
    ["judge", "--suite", "calibration", "--judge-model", model, "--out", "x"],
    /--data is missing: name pairs that people compared/,
  ],
])("%s is refused", async (_, argv, message) => {
  const { code, told } = await runYohaku(...argv)
  expect([code, told]).toEqual([2, expect.stringMatching(message)])
})
