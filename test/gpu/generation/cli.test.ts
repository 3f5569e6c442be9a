// `yohaku generate` as a user calls it, with the demo's model: what it writes, that it goes on where it was left, and that its log-probs are
// those of `yohaku score`.
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { runYohaku, runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, jsonLines, writeTinyAdapter, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = "infra/demo/model"
const QUESTIONS = ["May I park here?", "入社案内C-19に承認は要りますか。", "Who signs form B-7?", "What time is it?"]
const messages = (content: string) => [{ role: "user", content }]
const prompts = workspace.write(
  "prompts.jsonl",
  jsonLines(QUESTIONS.map((question, index) => ({ id: `q${index}`, prompt: messages(question) }))),
)
const out = workspace.at("responses.jsonl")
const generate = (...more: readonly string[]) =>
  runYohakuJson("generate", "--model", model, "--prompts", prompts, "--out", out, ...more)

interface Line {
  readonly id: string
  readonly responses: readonly { text: string; tokens: number; finishReason: string; sumLogProb: number }[]
}

const linesOf = (file: string): Line[] =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))

test("two drawn responses a prompt, in the order of the prompts; the same command then has nothing to do", async () => {
  const drawn = ["--n", "2", "--seed", "5", "--temperature", "0.9", "--top-p", "0.95", "--max-tokens", "24"]
  const { code, result, told } = await generate(...drawn)
  expect(code, told).toBe(0)
  expect(told).toMatch(/^memory: weights .*; keys and values .* for 8 at once; .*; together /)
  const lines = linesOf(out)
  expect(lines.map(({ id }) => id)).toEqual(["q0", "q1", "q2", "q3"])
  const responses = lines.flatMap(({ responses: two }) => two)
  expect(responses).toHaveLength(8)
  for (const response of responses) {
    expect(Object.keys(response)).toEqual(["text", "tokens", "finishReason", "sumLogProb"])
    expect(response.tokens === 24 || response.finishReason === "stop").toBe(true)
    expect(response.sumLogProb).toBeLessThan(0)
  }
  expect(result).toMatchObject({ prompts: 4, resumed: 0, responses: 8 })
  expect(result.tokens).toBe(responses.reduce((sum, { tokens }) => sum + tokens, 0))
  expect(result.tokensPerSecond).toBeGreaterThan(0)
  expect((await generate(...drawn)).result).toMatchObject({ resumed: 4, responses: 0, tokens: 0 })

  const whole = readFileSync(out)
  for (const length of [whole.indexOf("\n") + 20, whole.length - 1, 3]) {
    truncateSync(out, length)
    expect((await generate(...drawn, "--batch", "3")).code).toBe(0)
    expect(readFileSync(out).equals(whole), `cut at ${length}`).toBe(true)
    writeFileSync(out, whole)
  }
  const other = await generate(...drawn.with(3, "6"))
  expect(other.code).toBe(1)
  expect(other.told).toMatch(/was made with seed 5, not 6; choose another --out/)
  expect(readFileSync(out).equals(whole)).toBe(true)
})

test("greedy responses have the log-probs that yohaku score gives them", async () => {
  const greedy = workspace.at("greedy.jsonl")
  const { code, told } = await generate("--out", greedy, "--temperature", "0", "--n", "2", "--max-tokens", "96")
  expect(code, told).toBe(0)
  const lines = linesOf(greedy)
  const ended = lines.flatMap(({ id, responses: [first, second] }) => {
    expect(second).toEqual(first)
    return first!.finishReason === "stop" ? [{ id, ...first! }] : []
  })
  expect(ended.length).toBeGreaterThan(0)
  const pairs = ended.map(({ id, text }) => {
    const turn = (content: string) => [{ role: "assistant", content }]
    return { id, prompt: messages(QUESTIONS[Number(id.slice(1))]!), chosen: turn(text), rejected: turn("No.") }
  })
  const scores = workspace.at("scores.jsonl")
  const data = workspace.write("pairs.jsonl", jsonLines(pairs))
  expect((await runYohaku("score", "--model", model, "--data", data, "--out", scores)).code).toBe(0)
  for (const line of readFileSync(scores, "utf8").trim().split("\n")) {
    const { id, chosen } = JSON.parse(line)
    const { tokens, sumLogProb } = ended.find((response) => response.id === id)!
    expect(chosen.count).toBe(tokens)
    expect(Math.abs(chosen.sum - sumLogProb)).toBeLessThan(1e-4)
  }
})

test("a stop string ends the text before it, and is told", async () => {
  const file = workspace.at("stopped.jsonl")
  const stops = ["--stop", "a", "--stop", "。", "--stop", "e"]
  expect((await generate("--out", file, "--temperature", "0", ...stops)).code).toBe(0)
  const responses = linesOf(file).flatMap((line) => line.responses)
  expect(responses.some(({ finishReason }) => finishReason === "stop-string")).toBe(true)
  for (const { text } of responses) expect(text).not.toMatch(/[ae。]/)
})

test("an adapter answers in its own way", async () => {
  const tiny = writeTinyModel(workspace)
  const adapter = writeTinyAdapter(workspace, tiny)
  const file = workspace.write("plain.jsonl", jsonLines([{ id: 1, prompt: "tea" }]))
  const said = []
  for (const [index, more] of [[], ["--adapter", await adapter]].entries()) {
    const to = workspace.at(`tiny-${index}.jsonl`)
    const command = [
      "generate",
      "--model",
      tiny,
      "--prompts",
      file,
      "--out",
      to,
      "--max-tokens",
      "20",
      "--temperature",
      "0",
    ]
    const { code, told } = await runYohaku(...command, ...more)
    expect(code, told).toBe(0)
    said.push(linesOf(to)[0]!.responses[0]!.sumLogProb)
  }
  expect(said[0]).not.toBe(said[1])
})

test.each([
  [["--temperature", "-1"], 2, "--temperature is -1; give 0 or a positive number"],
  [["--top-p", "0"], 2, "--top-p is 0; give a number above 0, up to 1"],
  [["--n", "0"], 2, "--n 0: give a whole number from 1"],
  [["--seed", "x"], 2, "--seed x: give a whole number from 0"],
  [["--max-tokens", "1.5"], 2, "--max-tokens 1.5: give a whole number"],
  [["--stop", ""], 2, "--stop is empty"],
])("%j is refused", async (more, code, fault) => {
  const refused = await generate("--out", workspace.at("none.jsonl"), ...more)
  expect(refused.code).toBe(code)
  expect(refused.told).toContain(fault)
  expect(existsSync(workspace.at("none.jsonl"))).toBe(false)
})

test("a prompt that leaves no room for a token is refused with its line, and nothing is written", async () => {
  const long = jsonLines([
    { id: "a", prompt: "short" },
    { id: "b", prompt: "word ".repeat(600) },
  ])
  const file = workspace.write("long.jsonl", long)
  const to = workspace.at("long-out.jsonl")
  const { code, told } = await runYohaku("generate", "--model", model, "--prompts", file, "--out", to)
  expect(code).toBe(1)
  expect(told).toMatch(/long\.jsonl:2: the prompt has \d+ tokens and the model 512 positions: no room for a token/)
  expect(existsSync(to)).toBe(false)
  rmSync(file)
})
