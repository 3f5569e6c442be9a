// `yohaku judge --outputs` of judges that answer in words: AlpacaEval's without log-probs, both of Arena-Hard, and from `yohaku generate`'s files.
import { afterAll, describe, expect, test } from "vitest"
import { said } from "../../client/judge/judge-stand-in.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { COUNT, createJudgedAnswers, five, pairwise } from "./judged-answers.ts"

const { workspace, judge, prompts, outputs, responses, asking, annotationsIn, close } = createJudgedAnswers()
afterAll(close)

describe("a judge without log-probs", () => {
  test("is asked in both orders, and the report says that this is another protocol", async () => {
    judge.behave(pairwise)
    const { code, result, told } = await runYohakuJson(
      ...asking("alpaca-eval-2", "text", "--verdict", "text", "--skip-canaries"),
    )
    expect(code).toBe(0)
    expect(told).toContain(`${COUNT} pairs, 1 of equal answers; 14 of 14 questions to ask`)
    expect(judge.bodies()).toHaveLength(14)
    // Lengths 5, 8, 11 lose to 12; 14, 17, 20, 23 win; the last is a draw.
    expect(result).toMatchObject({ win_rate: 56.25, n_wins: 4, n_wins_base: 3, n_draws: 1, protocol: "text", flips: 0 })
    expect(told).toMatch(
      /^warning: tuned: verdicts are the judge's words in both orders, .* \(text\): compare the rate only/m,
    )
    expect(annotationsIn("text").rows[0]).toEqual({ i: 0, len1: 12, len2: 5, pref: 1, orders: [1, 1] })
  })

  test("that goes by the place contradicts itself: all are draws, and the share is told", async () => {
    judge.behave(() => Response.json(said("[[A]]")))
    const { result, told } = await runYohakuJson(
      ...asking("alpaca-eval-2", "place", "--verdict", "text", "--skip-canaries"),
    )
    expect(result).toMatchObject({ win_rate: 50, n_draws: COUNT, flips: 1 })
    expect(told).toMatch(/it contradicts itself on 100\.0 % of the pairs/)
  })

  test("is shown the canaries in both orders, and what it says then counts", async () => {
    judge.behave(pairwise)
    const right = await runYohaku(...asking("alpaca-eval-2", "right", "--verdict", "text"))
    expect([right.code, judge.bodies().length]).toEqual([0, 22])
    judge.behave(() => Response.json(said("[[A]]")))
    const wrong = await runYohaku(...asking("alpaca-eval-2", "wrong", "--verdict", "text"))
    expect(wrong.code).toBe(1)
    expect(wrong.told).toMatch(/judge-1 prefers "Its capital is Kyoto\."/)
    expect(judge.bodies()).toHaveLength(8)
  })

  test("goes on in words where it was asked for log-probs in vain: nothing of the one counts for the other", async () => {
    judge.behave(pairwise)
    const vain = await runYohaku(...asking("alpaca-eval-2", "vain", "--skip-canaries", "--concurrency", "1"))
    expect(vain.code).toBe(1)
    expect(vain.told).toMatch(/gives no log-probs here, .* say --verdict text, which is another protocol/)
    const { code, result } = await runYohakuJson(
      ...asking("alpaca-eval-2", "vain", "--skip-canaries", "--verdict", "text"),
    )
    expect([code, result.protocol, judge.bodies().length]).toEqual([0, "text", 15])
  })
})

describe.each([
  ["arena-hard-0.1", 4096],
  ["arena-hard-2", 16_000],
] as const)("%s is asked", (suite, mostTokens) => {
  test("in two games a question, whose labels are counted", async () => {
    judge.behave(five)
    const { code, result } = await runYohakuJson(...asking(suite, suite))
    expect(code).toBe(0)
    // 14 of 7 questions, 8 of four canaries.
    expect(judge.bodies()).toHaveLength(22)
    expect(judge.bodies().every(({ max_tokens }) => max_tokens === mostTokens)).toBe(true)
    const { rows, protocol } = annotationsIn(suite)
    expect(protocol).toBe(suite)
    // 5 characters are less than half of 12, and 8 are not.
    expect(rows.slice(0, 2)).toEqual([
      { q: "p0", g: ["A>>B", "B>>A"] },
      { q: "p1", g: ["A>B", "B>A"] },
    ])
    expect(rows.at(-1)).toEqual({ q: "p7", g: ["A=B", "A=B"] })
    // Wins 17, 20, 23 and 14 by less than twice but never 24: plain; one strong loss of two games.
    expect(result).toMatchObject({ n_questions: COUNT, n_games_dropped: 0 })
    expect(result.score).toBeCloseTo((100 * (8 + 1)) / (6 + 2 + 2 + 8 + 2), 9)
  })

  test("again after a kill in the middle, and no game is asked twice", async () => {
    judge.behave(five)
    const first = await runYohaku(...asking(suite, `${suite}-killed`, "--max-requests", "9", "--skip-canaries"))
    expect([first.code, judge.bodies().length]).toEqual([3, 9])
    const second = await runYohakuJson(...asking(suite, `${suite}-killed`, "--skip-canaries"))
    expect([second.code, judge.bodies().length]).toEqual([0, 14])
    expect(annotationsIn(`${suite}-killed`).rows).toEqual(annotationsIn(suite).rows)
  })
})

test("Arena-Hard's games without a label are asked about once more in v0.1, then dropped, and told", async () => {
  judge.behave((request, body) =>
    body.messages[0]!.content.startsWith("Question 3") ? Response.json(said("I cannot say.")) : five(request, body),
  )
  const first = await runYohakuJson(...asking("arena-hard-0.1", "mute", "--skip-canaries"))
  // Both games of one question.
  expect(first.result).toMatchObject({ n_questions: COUNT - 1, n_games_dropped: 2 })
  expect(first.told).toMatch(/warning: tuned: games without a verdict that counts: 2/)
  expect(judge.bodies()).toHaveLength(16)
  await runYohakuJson(...asking("arena-hard-0.1", "mute", "--skip-canaries"))
  expect(judge.bodies()).toHaveLength(16)
})

test("parameters that an endpoint wants are sent, and no others are asked twice", async () => {
  const own = ["--parameters", '{"max_tokens": null, "max_completion_tokens": 900}', "--skip-canaries"]
  judge.behave(five)
  const { code } = await runYohaku(...asking("arena-hard-2", "own", ...own))
  expect(code).toBe(0)
  expect(judge.bodies().every((body) => body.max_completion_tokens === 900 && !("max_tokens" in body))).toBe(true)
  const refused = await runYohaku(...asking("arena-hard-2", "own", "--parameters", '{"n": 2}'))
  expect([refused.code, refused.told]).toEqual([
    1,
    expect.stringMatching(/--parameters \{"n": 2\} sets n, which is the protocol's/),
  ])
})

describe("answers of yohaku generate", () => {
  test("of which there are several to a prompt: the first is judged, and that is told", async () => {
    const several = responses("several.jsonl", (index) => "b".repeat(5 + index * 3), [{ text: "other" }])
    judge.behave(five)
    const { told } = await runYohaku(
      ...asking("arena-hard-2", "several", "--skip-canaries").map((word) => (word === outputs ? several : word)),
    )
    expect(told).toMatch(
      /warning: .*several\.jsonl has 8 further responses to its prompts: the first to each is judged/,
    )
  })

  test.each<[string, string, string, RegExp]>([
    [
      "without the prompts",
      outputs,
      "",
      /answer 1 names its prompt by the id "p0" alone; give the file of prompts with --prompts/,
    ],
    [
      "to other prompts",
      outputs,
      workspace.write("few.jsonl", '{"id":"x","prompt":"X"}'),
      /answer 1 is to the prompt "p0", which --prompts does not hold/,
    ],
    [
      "to prompts without text",
      outputs,
      workspace.write("bare.jsonl", '{"id":"p0"}'),
      /bare\.jsonl prompt 1 has no text and no messages to show/,
    ],
    [
      "to prompts that share an id",
      outputs,
      workspace.write("twice.jsonl", '{"id":1,"prompt":"X"}\n{"id":"1","prompt":"Y"}'),
      /holds the id "1" twice/,
    ],
  ])("%s are refused", async (_, file, given, message) => {
    const argv = asking("arena-hard-2", "none", "--outputs", file)
    const { code, told } = await runYohaku(
      ...(given === ""
        ? argv.filter((word) => word !== "--prompts" && word !== prompts)
        : [...argv, "--prompts", given]),
    )
    expect([code, told]).toEqual([1, expect.stringMatching(message)])
  })
})

test.each<[string, readonly string[], RegExp]>([
  [
    "a way to answer that a suite has not",
    asking("arena-hard-2", "x", "--verdict", "text"),
    /--verdict text is unknown; use arena-hard-2 under --suite arena-hard-2/,
  ],
  ["tokens of one token", asking("alpaca-eval-2", "x", "--max-tokens", "5"), /--max-tokens is of answers in words/],
])("%s is refused", async (_, argv, message) => {
  const { code, told } = await runYohaku(...argv)
  expect([code, told]).toEqual([2, expect.stringMatching(message)])
})
