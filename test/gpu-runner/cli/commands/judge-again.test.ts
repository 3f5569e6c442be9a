// `yohaku judge recompute` and `rejudge`: numbers of what was judged before, from what was kept. Nobody is asked.
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { afterAll, describe, expect, test } from "vitest"
import { type Behaviour, JUDGE, said, verdictOn, wordsOn } from "../../client/judge/judge-stand-in.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createJudgedAnswers, five, pairwise } from "./judged-answers.ts"

const { workspace, judge, responses, asking, annotationsIn, close } = createJudgedAnswers()
afterAll(close)

describe("recompute", () => {
  test("says the same from the records alone, without answers, prompts or a judge, of several models at once", async () => {
    judge.behave(pairwise)
    const text = await runYohakuJson(...asking("alpaca-eval-2", "kept", "--verdict", "text", "--skip-canaries"))
    judge.behave(() => new Response("nobody is to be asked", { status: 500 }))
    rmSync(path.join(workspace.at("kept"), "annotations.json"))
    const again = await runYohakuJson("judge", "recompute", workspace.at("kept"), "--bootstrap", "0")
    expect([again.code, again.result]).toEqual([0, text.result])
    expect(again.told).toMatch(/kept: judge-1 in text; 14 requests, 1400 tokens read, 112 written/)
    expect(judge.bodies()).toEqual([])
  })

  test("counts what a run that was not finished has, and says what is missing", async () => {
    judge.behave(five)
    await runYohaku(...asking("arena-hard-2", "part", "--max-requests", "6", "--skip-canaries"))
    const { result, told } = await runYohakuJson("judge", "recompute", workspace.at("part"), "--bootstrap", "0")
    expect(result.n_games_dropped).toBeGreaterThanOrEqual(8)
    expect(told).toMatch(/games without a verdict that counts/)
  })

  test.each<[string, readonly string[], number, RegExp]>([
    ["no folder", [], 2, /recompute needs a folder that was --out/],
    ["a folder of something else", [workspace.directory], 2, /asked\.json is missing; name a folder that was --out/],
    [
      "another suite",
      [workspace.at("kept"), "--suite", "arena-hard-2"],
      2,
      /judged under --suite alpaca-eval-2, not arena-hard-2/,
    ],
  ])("%s is refused", async (_, argv, code, message) => {
    const run = await runYohaku("judge", "recompute", ...argv)
    expect([run.code, run.told]).toEqual([code, expect.stringMatching(message)])
  })

  test("a file that is not whole is refused, and says what to do", async () => {
    const folder = workspace.at("part")
    writeFileSync(
      path.join(folder, "asked.json"),
      '{"suite":"arena-hard-2","judge":"j","model":"m","protocol":"arena-hard-3","pairs":[]}',
    )
    const { code, told } = await runYohaku("judge", "recompute", folder)
    expect([code, told]).toEqual([
      1,
      expect.stringMatching(/asked\.json names the protocol "arena-hard-3", which is none; judge again/),
    ])
  })
})

describe("rejudge", () => {
  const judgedBy = async (out: string, behaviour: Behaviour) => {
    judge.behave(behaviour)
    const argv = asking("alpaca-eval-2", out, "--verdict", "text", "--skip-canaries")
    await runYohaku(...argv.map((word) => (word === JUDGE ? out : word)))
  }
  const named =
    (name: string, answer: (body: Parameters<typeof wordsOn>[0]) => object): Behaviour =>
    (_, body) =>
      Response.json({ ...answer(body), model: name })

  test("joins judges of the same answers, tells each beside the others, and asks nobody", async () => {
    // One likes what is longer; the other always the first place, which is all ties.
    await judgedBy(
      "longer",
      named("longer", (body) => wordsOn(body, "pairwise")),
    )
    await judgedBy(
      "placed",
      named("placed", () => said("[[A]]")),
    )
    judge.behave(() => new Response("nobody is to be asked", { status: 500 }))
    const folders = [workspace.at("longer"), workspace.at("placed")]
    const { code, result, told } = await runYohakuJson(
      "judge",
      "rejudge",
      ...folders,
      "--out",
      workspace.at("jury"),
      "--bootstrap",
      "0",
    )
    expect([code, judge.bodies()]).toEqual([0, []])
    // Seven of eight are a quarter away from a draw.
    expect(result).toMatchObject({
      protocol: "jury",
      n_wins: 4,
      n_wins_base: 3,
      n_draws: 1,
      win_rate: (100 * (4 * 0.75 + 3 * 0.25 + 0.5)) / 8,
    })
    expect(result.judges.longer.models.tuned).toEqual({ win_rate: 56.25, win_rate_without: 50, agreement: 1 - 3.5 / 8 })
    expect(told).toMatch(/^placed +tuned +50\.0 +56\.3/m)
    expect(annotationsIn("jury")).toMatchObject({ model: "tuned", judge: "longer, placed" })
  })

  test("one judge by two protocols is two voices, told apart by them", async () => {
    judge.behave(named("longer", verdictOn))
    const argv = asking("alpaca-eval-2", "longer-by-log-probs", "--skip-canaries")
    await runYohaku(...argv.map((word) => (word === JUDGE ? "longer" : word)))
    const folders = [workspace.at("longer"), workspace.at("longer-by-log-probs")]
    const jury = ["--out", workspace.at("two-voices"), "--bootstrap", "0"]
    const { code, result } = await runYohakuJson("judge", "rejudge", ...folders, ...jury)
    expect([code, Object.keys(result.judges)]).toEqual([0, ["longer (text)", "longer (log-probs)"]])
  })

  test("Arena-Hard's are not joined, whose verdicts are labels", async () => {
    judge.behave(five)
    await runYohaku(...asking("arena-hard-2", "labels", "--skip-canaries"))
    const { code, told } = await runYohaku(
      "judge",
      "rejudge",
      workspace.at("longer"),
      workspace.at("labels"),
      "--out",
      "x",
    )
    expect([code, told]).toEqual([
      2,
      expect.stringMatching(/labels was judged under --suite arena-hard-2; a jury is of alpaca-eval-2/),
    ])
  })

  test.each<[string, readonly string[], RegExp]>([
    ["one folder", ["longer", "--out", "x"], /rejudge needs two folders at least/],
    [
      "one judge twice",
      ["longer", "longer", "--out", "x"],
      /longer and \S+longer are both of tuned by longer in text; name one/,
    ],
    ["no place for it", ["longer", "placed"], /--out is missing: say where the jury's verdicts/],
    [
      "options of a judge",
      ["longer", "placed", "--out", "x", "--judge", "j"],
      /--judge is not read with judge rejudge, which asks nobody/,
    ],
  ])("%s is refused", async (_, words, message) => {
    const isFolder = (word: string) => ["longer", "placed"].includes(word)
    const { code, told } = await runYohaku(
      "judge",
      "rejudge",
      ...words.map((word) => (isFolder(word) ? workspace.at(word) : word)),
    )
    expect([code, told]).toEqual([2, expect.stringMatching(message)])
  })

  test("answers that are others are refused", async () => {
    const other = responses("tuned-2.jsonl", (index) => "b".repeat(6 + index))
    judge.behave(pairwise)
    const argv = asking("alpaca-eval-2", "other", "--verdict", "text", "--skip-canaries", "--outputs", other)
    await runYohaku(...argv)
    const file = path.join(workspace.at("other"), "asked.json")
    writeFileSync(file, readFileSync(file, "utf8").replace('"model":"tuned-2"', '"model":"tuned"'))
    const { code, told } = await runYohaku(
      "judge",
      "rejudge",
      workspace.at("longer"),
      workspace.at("other"),
      "--out",
      "x",
    )
    expect([code, told]).toEqual([
      2,
      expect.stringMatching(/other is of other answers than .*longer; a jury judges the same pairs/),
    ])
  })
})
