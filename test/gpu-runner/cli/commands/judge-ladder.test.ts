// `yohaku judge --after`: a ladder of judges, of which each is asked where those before it are undecided.
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, beforeEach, describe, expect, test } from "vitest"
import { type Behaviour, JUDGE, said, verdictOn, wordsOn } from "../../client/judge/judge-stand-in.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createJudgedAnswers } from "./judged-answers.ts"

const { workspace, judge, responses, asking, annotationsIn, close } = createJudgedAnswers()
afterAll(close)

const nobody = () => judge.behave(() => new Response("nobody is to be asked", { status: 500 }))
/** Answers under whatever name it is asked. */
const named =
  (answer: (body: Parameters<typeof wordsOn>[0]) => object): Behaviour =>
  (_, body) =>
    Response.json({ ...answer(body), model: body.model })
/** Likes what is longer, and is a strict one. */
const strict = named((body) => wordsOn(body, "pairwise"))
/** Likes what is shorter, and is a strict one. */
const contrary = named((body) => {
  const [instruction, first, second] = body.messages[0]!.content.split("|")
  return wordsOn({ ...body, messages: [{ role: "user", content: `${instruction}|${second}|${first}` }] }, "pairwise")
})

// The answers are 5, 8, … characters beside 12, and the last are the same. Log-probs leave those of 11 and 14 within 0.2 of one half.
judge.behave(() => undefined)
await runYohaku(...asking("alpaca-eval-2", "cheap", "--skip-canaries"))
const cheap = workspace.at("cheap")
const above = (out: string, ...more: readonly string[]) => [
  ...asking("alpaca-eval-2", out, "--skip-canaries", "--verdict", "text", "--after", cheap, ...more).map((word) =>
    word === JUDGE ? "paid" : word,
  ),
]
beforeEach(nobody)

describe("the next judge", () => {
  test("is asked about what is undecided alone, and each verdict says whose it is", async () => {
    judge.behave(strict)
    const { code, result, told } = await runYohakuJson(...above("two"))
    expect([code, judge.prompts().length]).toEqual([0, 4])
    expect(told).toContain(
      "8 pairs, 1 of equal answers, 5 decided by an earlier judge; 4 of 4 questions to ask; 0 of at most 8 requests are spent",
    )
    expect(result).toMatchObject({ protocol: "ladder", n_total: 8, n_wins: 4, n_wins_base: 3 })
    expect(result.ladder).toEqual({ judges: { [JUDGE]: 5, paid: 2 }, audited: 0, agreement: null, last: null })
    expect(told).toMatch(/warning: tuned: verdicts are those of a ladder of judges, .* \(ladder\)/)
    const rows = annotationsIn("two").rows as readonly { readonly judge?: string; readonly pref: number }[]
    expect(rows.map(({ judge: whose }) => whose)).toEqual([
      JUDGE,
      JUDGE,
      undefined,
      undefined,
      JUDGE,
      JUDGE,
      JUDGE,
      undefined,
    ])
    const before = annotationsIn("cheap").rows as readonly { readonly pref: number }[]
    expect(rows[0]!.pref).toBeCloseTo(before[0]!.pref, 12)
    expect([rows[2]!.pref, rows[3]!.pref]).toEqual([1, 2])
  })

  test("by a wider or a narrower band is asked about more or less", async () => {
    judge.behave(strict)
    await runYohaku(...above("wide", "--undecided", "0.3"))
    expect(judge.prompts()).toHaveLength(8)
    judge.behave(strict)
    const { told } = await runYohakuJson(...above("none", "--undecided", "0.01"))
    expect([judge.prompts(), told]).toEqual([
      [],
      expect.stringMatching(/7 decided by an earlier judge; 0 of 0 questions/),
    ])
  })

  test("is told beforehand for what is left alone, never passes the cap, and goes on where it was", async () => {
    judge.behave(strict)
    const money = ["--price", "2,8", "--max-cost", "100"]
    const whole = await runYohaku(...asking("alpaca-eval-2", "whole", "--skip-canaries", "--verdict", "text", ...money))
    const first = await runYohaku(...above("short", "--max-requests", "3", ...money))
    const about = (text: string) => Number(/for about (\S+);/.exec(text)![1])
    // Of seven pairs two.
    expect(about(first.told)).toBeLessThan(0.31 * about(whole.told))
    expect([first.code, judge.prompts().length - 14]).toEqual([3, 3])
    const second = await runYohaku(...above("short", "--max-requests", "4", ...money))
    expect([second.code, judge.prompts().length - 14]).toEqual([0, 4])
  })

  test("of an audit is asked about drawn pairs too, whose verdicts stay the earlier judge's; five say nothing of the whole", async () => {
    judge.behave(contrary)
    const { result } = await runYohakuJson(...above("audit", "--audit", "1"))
    expect(judge.prompts()).toHaveLength(14)
    expect(result).toMatchObject({ n_wins: 4, n_wins_base: 3 })
    expect(result.ladder).toEqual({ judges: { [JUDGE]: 5, paid: 2 }, audited: 5, agreement: 0, last: null })
    nobody()
    const { printed } = await runYohaku("judge", "recompute", workspace.at("audit"), "--bootstrap", "0")
    expect(printed).toMatch(
      /^tuned: 5 of judge-1, 2 of paid; what the last would say of the others was asked of 5 pairs only: 30 with different verdicts are needed; give a larger --audit$/m,
    )
  })

  test("of an audit of one pair says that one is too few, and not that none was asked", async () => {
    judge.behave(contrary)
    const { printed } = await runYohaku(...above("audit-of-one", "--audit", "0.1"))
    expect(printed).toMatch(
      /^tuned: .*; what the last would say of the others was asked of 1 pair only: 30 with different verdicts are needed; give a larger --audit$/m,
    )
  })

  test("decides as it goes, with --until-decided, and asks nobody where all is decided before", async () => {
    const { code, result } = await runYohakuJson(...above("until", "--undecided", "0", "--until-decided", "0.05"))
    expect([code, judge.prompts()]).toEqual([0, []])
    expect(result).toMatchObject({ decision: null, looked: 8, pairs: 8 })
  })
})

describe("orders that disagree", () => {
  test("are undecided, and a third rung stands on the second", async () => {
    // Sure of what is much longer; else it takes the first place.
    judge.behave(
      named((body) => {
        const [, first, second] = body.messages[0]!.content.split("|")
        const isFar = Math.abs(first!.length - second!.length) > 6
        return wordsOn(isFar ? body : { ...body, messages: [{ role: "user", content: "i|aa|a" }] }, "pairwise")
      }),
    )
    const placed = asking("alpaca-eval-2", "placed", "--skip-canaries", "--verdict", "text").map((word) =>
      word === JUDGE ? "placed" : word,
    )
    await runYohaku(...placed)
    judge.behave(named(verdictOn))
    const middle = asking("alpaca-eval-2", "middle", "--skip-canaries", "--after", workspace.at("placed"))
    const { result } = await runYohakuJson(...middle)
    // Differences of 4, 1, 2 and 5 characters.
    expect(result.ladder.judges).toEqual({ placed: 3, [JUDGE]: 4 })
    judge.behave(strict)
    const top = above("top", "--after", workspace.at("middle"))
    const { result: three } = await runYohakuJson(...top)
    expect(three.ladder.judges).toEqual({ placed: 3, [JUDGE]: 2, paid: 2 })
  })

  test("of Arena-Hard's games too, whose labels stand", async () => {
    judge.behave(
      named((body) => {
        const [, first, second] = body.messages[0]!.content.split("|")
        if (Math.abs(first!.length - second!.length) > 6) return wordsOn(body)
        // Surer of the baseline's where that is first than of the model's: a quarter, and no verdict of one mind.
        return said(first!.startsWith("a") ? "[[A>>B]]" : "[[A>B]]")
      }),
    )
    await runYohaku(...asking("arena-hard-2", "games", "--skip-canaries"))
    judge.behave(named(wordsOn))
    const argv = asking("arena-hard-2", "games-2", "--skip-canaries", "--after", workspace.at("games"))
    const { code, result, told } = await runYohakuJson(...argv.map((word) => (word === JUDGE ? "paid" : word)))
    expect([code, judge.prompts().length, result.n_questions]).toEqual([0, 8, 8])
    expect(told).toMatch(/warning: tuned: verdicts are those of a ladder of judges, .* compare the score only with/)
    const [before, after] = ["games", "games-2"].map((out) => annotationsIn(out).rows)
    expect(after![0]).toEqual({ ...before![0], judge: JUDGE })
    expect([before![2], after![2]]).toEqual([
      { q: "p2", g: ["A>>B", "A>B"] },
      { q: "p2", g: ["A>B", "B>A"] },
    ])
  })
})

describe("from what was kept", () => {
  test("the numbers can be had again, and a ladder is one voice of a jury", async () => {
    judge.behave(strict)
    const { result } = await runYohakuJson(...above("kept"))
    judge.behave(named((body) => wordsOn(body, "pairwise")))
    await runYohaku(
      ...asking("alpaca-eval-2", "alone", "--skip-canaries", "--verdict", "text").map((word) =>
        word === JUDGE ? "alone" : word,
      ),
    )
    nobody()
    const again = await runYohakuJson("judge", "recompute", workspace.at("kept"), "--bootstrap", "0")
    expect(again.result).toEqual(result)
    expect(again.told).toMatch(/kept: judge-1, then paid in text; 4 requests/)
    const folders = [workspace.at("kept"), workspace.at("alone")]
    const jury = await runYohakuJson("judge", "rejudge", ...folders, "--out", workspace.at("jury"), "--bootstrap", "0")
    expect(Object.keys(jury.result.judges)).toEqual([`${JUDGE} then paid`, "alone"])
  })

  test("the earlier judge's verdicts stand with the run, and not only in its folder", () => {
    const { pairs } = JSON.parse(readFileSync(path.join(workspace.at("kept"), "asked.json"), "utf8"))
    expect(pairs[0]).toMatchObject({ questions: [], given: { judge: JUDGE, value: expect.closeTo(0.148, 3) } })
    expect(pairs[2].questions).toHaveLength(2)
  })
})

test.each<[string, () => readonly string[], RegExp]>([
  [
    "a band without a rung",
    () => asking("alpaca-eval-2", "x", "--undecided", "0.1"),
    /--undecided is read with --after only/,
  ],
  ["a band that is none", () => above("x", "--undecided", "0.5"), /--undecided 0\.5: give a number from 0, below 0\.5/],
  ["an audit of more than all", () => above("x", "--audit", "2"), /--audit 2: give a share from 0 to 1/],
  [
    "an audit that would be stopped",
    () => above("x", "--audit", "0.1", "--until-decided", "0.05"),
    /--audit is a sample of all that is decided, and --until-decided stops before/,
  ],
  [
    "the same judge",
    () => asking("alpaca-eval-2", "x", "--after", cheap),
    /cheap was judged by judge-1 itself; name another judge/,
  ],
  [
    "no folder",
    () => above("x", "--after", workspace.at("nothing")),
    /asked\.json is missing; name a folder that was --out/,
  ],
  [
    "another suite",
    () => [...asking("arena-hard-2", "x", "--after", cheap)],
    /cheap was judged under --suite alpaca-eval-2, not arena-hard-2; a ladder is of one suite/,
  ],
  [
    "other answers",
    () =>
      above(
        "x",
        "--outputs",
        responses("tuned-2.jsonl", (index) => "b".repeat(6 + index)),
      ),
    /cheap is of other answers than --outputs and --baseline; judge the same pairs/,
  ],
  [
    "a judge that is to be measured",
    () => [
      "judge",
      "--suite",
      "calibration",
      "--data",
      "d",
      "--judge",
      "j",
      "--url",
      "u",
      "--after",
      cheap,
      "--out",
      "x",
    ],
    /--after is not read with --suite calibration; leave it away/,
  ],
])("%s is refused, and nobody is asked", async (_, argv, message) => {
  const { code, told } = await runYohaku(...argv())
  expect([code, told, judge.prompts()]).toEqual([2, expect.stringMatching(message), []])
})
