// `yohaku judge --suite calibration --data`: an endpoint's judge is asked about pairs that people compared, in both orders.
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { JUDGE, JUDGE_URL, said, startJudge, wordsOn } from "../../client/judge/judge-stand-in.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace, jsonLines } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
const judge = startJudge()
afterAll(() => {
  judge.close()
  workspace.remove()
})

const COUNT = 10
// People take the longer answer, but for one of five; on the first pair three voted, and one of them otherwise.
const rows = Array.from({ length: COUNT }, (_, index) => {
  const [long, short] = ["l".repeat(9 + index), "s".repeat(3 + index)]
  const [chosen, rejected] = index % 5 === 4 ? [short, long] : [long, short]
  return { id: `v${index}`, prompt: `Question ${index}`, chosen, rejected }
})
const [first] = rows
const data = workspace.write(
  "votes.jsonl",
  jsonLines([
    ...rows,
    { ...first!, id: "again" },
    { ...first!, id: "other", chosen: first!.rejected, rejected: first!.chosen },
  ]),
)
const prompt = workspace.write("prompt.txt", "{instruction}|{output_1}|{output_2}")
const asking = (out: string, ...more: readonly string[]) => [
  ...["judge", "--suite", "calibration", "--data", data, "--prompt", prompt, "--judge", JUDGE, "--url", JUDGE_URL],
  ...["--out", workspace.at(out), "--bootstrap", "0", "--skip-canaries", ...more],
]
const pairwise: Parameters<typeof judge.behave>[0] = (_, body) => Response.json(wordsOn(body, "pairwise"))

describe("pairs that people compared", () => {
  test("are asked about in both orders, for log-probs too, and the judge is measured by them", async () => {
    judge.behave(() => undefined)
    const { code, result } = await runYohakuJson(...asking("log-probs"))
    expect([code, judge.bodies().length]).toEqual([0, 2 * COUNT])
    // Of twelve votes two are for the shorter answer, and one of three on the first pair.
    expect(result).toMatchObject({ pairs: COUNT, votes: 12, flips: 0, firstPlace: expect.closeTo(0.5, 9) })
    expect(result.agreement).toBeCloseTo(9 / 12, 12)
    expect(result.longer).toMatchObject({ judge: 1, pairs: COUNT })
    expect(result.temperature).toBeGreaterThan(0)
  })

  test("in words, through a kill, once each; the numbers can be had again from what was kept", async () => {
    judge.behave(pairwise)
    const part = await runYohaku(...asking("words", "--verdict", "text", "--max-requests", "7"))
    expect([part.code, judge.bodies().length]).toEqual([3, 7])
    const { result } = await runYohakuJson(...asking("words", "--verdict", "text"))
    expect(judge.bodies()).toHaveLength(2 * COUNT)
    expect(result).toMatchObject({ pairs: COUNT, accepted: true, agreement: expect.closeTo(9 / 12, 12) })
    judge.behave(() => new Response("nobody is to be asked", { status: 500 }))
    const again = await runYohakuJson("judge", "recompute", workspace.at("words"), "--bootstrap", "0")
    expect([again.result, judge.bodies()]).toEqual([result, []])
  })

  test("are half of them turned round, so that a judge of one place has no agreement by it", async () => {
    judge.behave(() => Response.json(said("[[A]]")))
    const { result } = await runYohakuJson(...asking("placed", "--verdict", "text"))
    expect(result).toMatchObject({ flips: 1, firstPlace: 1, agreement: 0.5 })
    const { pairs } = JSON.parse(readFileSync(path.join(workspace.at("placed"), "annotations.json"), "utf8"))
    const forFirst = pairs.filter(({ votes }: { votes: number[] }) => votes[0] === 0).length
    expect(forFirst).toBeGreaterThan(1)
    expect(forFirst).toBeLessThan(COUNT - 1)
  })
})

test("a row that states no pair is left out, and told", async () => {
  judge.behave(pairwise)
  const many = Array.from({ length: 30 }, (_, index) => ({
    ...rows[index % COUNT]!,
    id: `m${index}`,
    prompt: `Many ${index}`,
  }))
  const file = workspace.write("bad.jsonl", jsonLines([...many, { id: "bad", prompt: "Question", chosen: 3 }]))
  const { code, told } = await runYohaku(...asking("bad", "--verdict", "text", "--data", file))
  expect([code, judge.bodies().length]).toEqual([0, 60])
  expect(told).toMatch(/bad\.jsonl: 1 rows dropped: 1 bad-row/)
})

test.each<[string, readonly string[], RegExp]>([
  [
    "answers beside votes",
    asking("x", "--outputs", data),
    /--outputs is not read with --suite calibration; leave it away/,
  ],
  ["a decision", asking("x", "--until-decided", "0.05"), /--until-decided is not read with --suite calibration/],
  ["votes for another suite", asking("x", "--suite", "alpaca-eval-2"), /--data is read with --outputs only/],
  [
    "no votes",
    ["judge", "--suite", "calibration", "--judge", "j", "--url", JUDGE_URL],
    /--data is missing: name pairs that people compared/,
  ],
  ["verdicts beside votes", asking("x", "--annotations", data), /--annotations and --data are two ways to one number/],
])("%s are refused", async (_, argv, message) => {
  const { code, told } = await runYohaku(...argv)
  expect([code, told]).toEqual([2, expect.stringMatching(message)])
})
