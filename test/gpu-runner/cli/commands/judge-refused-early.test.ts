// `yohaku judge --outputs` ends early: of a judge whose answers cannot be read, and where --out holds verdicts on something else.
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, expect, test } from "vitest"
import { type Behaviour, verdictOn } from "../../client/judge/judge-stand-in.ts"
import { runYohaku } from "../../support/run-yohaku.ts"
import { createJudgedAnswers } from "./judged-answers.ts"

const { workspace, judge, asking, outputs, responses, close } = createJudgedAnswers()
afterAll(close)

const neither: Behaviour = (_, body) => {
  const top_logprobs = [{ token: "Both", logprob: -0.1 }]
  const choices = [{ finish_reason: "length", logprobs: { content: [{ top_logprobs }] } }]
  return Response.json(verdictOn(body, { choices }))
}

test.each([
  ["after the canaries, of which there are eight questions", [], 8],
  ["without them after eight questions, or all that there are", ["--skip-canaries"], 7],
])("a judge that names neither answer is told so %s", async (_, more, count) => {
  judge.behave(neither)
  const { code, told } = await runYohaku(...asking("alpaca-eval-2", `neither-${count}`, ...more))
  expect([code, judge.prompts().length]).toEqual([1, count])
  expect(told).toContain(
    `of ${count}, ${count} answers had neither m nor M among the judge's top tokens; take --verdict text or another judge`,
  )
})

test("another protocol, suite or other answers do not replace what --out holds", async () => {
  judge.behave(() => undefined)
  const held = (suite: string, ...more: readonly string[]) => asking(suite, "held", "--skip-canaries", ...more)
  expect((await runYohaku(...held("alpaca-eval-2"))).code).toBe(0)
  const verdicts = () => readFileSync(path.join(workspace.at("held"), "annotations.json"), "utf8")
  const kept = verdicts()
  const refused = async (argv: readonly string[]) => {
    const { code, told } = await runYohaku(...argv)
    expect([code, verdicts()]).toEqual([2, kept])
    return told
  }
  expect(await refused(held("alpaca-eval-2", "--verdict", "text"))).toMatch(
    /--out \S+held holds verdicts of another protocol \(--verdict\): log-probs, and now text; choose another --out/,
  )
  expect(await refused(held("arena-hard-2"))).toMatch(
    /holds verdicts of another --suite: alpaca-eval-2, and now arena-hard-2; choose another --out/,
  )
  const others = responses("tuned.others.jsonl", (index) => "c".repeat(3 + index))
  expect(await refused(held("alpaca-eval-2").map((word) => (word === outputs ? others : word)))).toMatch(
    /holds verdicts of (other answers|another model: .*); choose another --out/,
  )
})
