// Jobs that answer a suite and judge the answers, as a runner does them: over a tiny model, its adapters side by side.
import { readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { afterAll, expect } from "vitest"
import { decodeAnswerScores } from "#shared/wire/answer-scores.ts"
import type { GenerateJob, JudgeJob, Voice } from "#shared/wire/job.ts"
import { decodeResponses } from "#shared/wire/responses.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { tinyRun } from "../trainer/tiny-run.ts"
import { CONFIG, JobWorld } from "./job-world.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)
const world = new JobWorld(workspace, tiny)
const base = world.putFolder(tiny.model.directory)

const PROMPTS = Array.from({ length: 5 }, (_, index) => ({
  id: `p${index}`,
  prompt: `question number ${index}`,
  ...(index === 0 ? { chosen: "good answer", rejected: "bad" } : {}),
}))
const utf8 = (text: string) => new TextEncoder().encode(text)
const prompts = world.put(utf8(PROMPTS.map((prompt) => `${JSON.stringify(prompt)}\n`).join("")))

const generation = (
  voices: readonly [Voice, ...Voice[]],
  more: Partial<GenerateJob["answering"]> = {},
): GenerateJob => ({
  ...{ kind: "generate", runId: "run", base, prompts, voices },
  answering: { count: 2, seed: 3, temperature: 1, maxTokens: 6, ...more },
})

const responsesIn = (digest: string) => decodeResponses(world.blobs.get(digest)!)

softwareTest(
  "adapters and base answer side by side, each as it does alone, and go on after a kill",
  async (context) => {
    const pack = await world.pack(context, tiny.model.fingerprint)
    const { adapter } = await world.train(context, pack, { ...CONFIG, method: "sft" })
    const all = generation([{ name: "candidate", adapter: adapter! }, { name: "tiny@1" }])
    const together = await world.execute(context, all)
    if (together.kind !== "generate") throw new Error(`a generate job gave ${together.kind}`)
    const { candidate, "tiny@1": ofBase } = together.responses
    for (const digest of [candidate!, ofBase!]) {
      const answers = responsesIn(digest)
      expect(answers.map(({ id, responses }) => [id, responses.length])).toEqual(PROMPTS.map(({ id }) => [id, 2]))
      for (const { responses } of answers)
        for (const { tokens, sumLogProb } of responses)
          expect([tokens >= 1 && tokens <= 6, Number.isFinite(sumLogProb) && sumLogProb < 0]).toEqual([true, true])
    }
    expect(responsesIn(candidate!)).not.toEqual(responsesIn(ofBase!))
    expect(world.progress.at(-1)).toMatchObject({ step: 10, steps: 10 })
    const alone = await world.execute(context, generation([{ name: "tiny@1" }]))
    expect(alone).toEqual({ kind: "generate", responses: { "tiny@1": ofBase } })

    // A runner that was killed after the third prompt, in the middle of a line, when two were kept.
    const kept = world.keptOf(world.newestJob)
    await expect.poll(() => kept.length).toBe(5)
    kept.splice(2)
    const file = path.join(workspace.at("runner/jobs"), world.newestJob, "responses-0.jsonl")
    const whole = readFileSync(file, "utf8")
    const third = whole.split("\n").slice(0, 3).join("\n").length + 1
    writeFileSync(file, whole.slice(0, third + 9))
    world.progress.length = 0
    const resumed = await world.execute(context, generation([{ name: "tiny@1" }]), world.newestJob)
    expect(resumed).toEqual(alone)
    expect(world.progress[0]).toMatchObject({ step: 3, steps: 5 })

    // Another runner, which has nothing of the job, goes on behind what was kept.
    await expect.poll(() => kept.length).toBe(5)
    kept.splice(4)
    world.progress.length = 0
    const byAnother = await world.execute(context, generation([{ name: "tiny@1" }]), world.newestJob, "another")
    expect(byAnother).toEqual(alone)
    expect(world.progress.find(({ step }) => step > 0)).toMatchObject({ step: 4, steps: 5 })
    kept.splice(0, 1, JSON.stringify({ text: JSON.stringify({ voice: 0, id: "of another suite", responses: [] }) }))
    await expect(world.execute(context, generation([{ name: "tiny@1" }]), world.newestJob, "a third")).rejects.toThrow(
      "what the job keeps is not of its prompts; start it again",
    )

    // The judge learnt the chosen side of the very pairs: it raises answers over its base by what both score, and nothing else.
    const spec: JudgeJob = {
      ...{ kind: "judge", runId: "run", base, adapter: adapter!, precision: "f32", readsReference: true, prompts },
      responses: together.responses,
    }
    const judged = await world.execute(context, spec)
    if (judged.kind !== "judge") throw new Error(`a judge job gave ${judged.kind}`)
    const scores = decodeAnswerScores(world.blobs.get(judged.scores)!)
    expect(scores.map(({ id, answers }) => [id, Object.keys(answers)])).toEqual(
      PROMPTS.map(({ id }) => [id, ["candidate", "tiny@1"]]),
    )
    const stated = scores[0]!.stated!
    if ("unscored" in stated.chosen || "unscored" in stated.rejected) throw new Error("not scored")
    expect(stated.chosen.tokens).toBeGreaterThan(stated.rejected.tokens)
    for (const { judge, reference } of [stated.chosen, stated.rejected]) expect(judge).not.toBeCloseTo(reference!, 3)
    expect(scores.slice(1).some(({ stated: none }) => none !== undefined)).toBe(false)
    const { adapter: _, ...ofBaseAlone } = spec
    const untuned = await world.execute(context, ofBaseAlone)
    if (untuned.kind !== "judge") throw new Error(`a judge job gave ${untuned.kind}`)
    const same = decodeAnswerScores(world.blobs.get(untuned.scores)!)
    for (const { answers } of same)
      for (const score of Object.values(answers).flat())
        if (!("unscored" in score)) expect(score.judge).toBe(score.reference)
  },
)

softwareTest(
  "what cannot be answered is refused before the weights are fetched, and is not tried again",
  async (context) => {
    const tooLong = world.put(utf8(`${JSON.stringify({ id: "a", prompt: "word ".repeat(4000) })}\n`))
    const job = generation([{ name: "tiny@1" }])
    await expect(world.execute(context, { ...job, prompts: tooLong })).rejects.toMatchObject({
      ...{
        message: expect.stringMatching(/^the suite's line 1: the prompt has \d+ tokens and the model/),
        retryable: false,
      },
    })
    const broken = world.put(Uint8Array.of(0x7b))
    await expect(world.execute(context, { ...job, prompts: broken })).rejects.toMatchObject({
      ...{ message: expect.stringMatching(/^the suite cannot be used: line 1 is not JSON/), retryable: false },
    })
    const many = Array.from({ length: 40 }, (_, id) => `${JSON.stringify({ id, prompt: "x" })}\n`).join("")
    const large = { ...generation([{ name: "tiny@1" }], { count: 8, maxTokens: 4096 }), prompts: world.put(utf8(many)) }
    await expect(world.execute(context, large)).rejects.toThrow(/^40 prompts with 8 answers of 4096 tokens are 1310720/)
  },
)

softwareTest("answers to other prompts are not judged", async (context) => {
  const answers = await world.execute(context, generation([{ name: "tiny@1" }], { count: 1, maxTokens: 1 }))
  if (answers.kind !== "generate") throw new Error("no answers")
  const other = world.put(utf8('{"id": "other", "prompt": "x"}\n'))
  const spec: JudgeJob = {
    ...{ kind: "judge", runId: "run", base, readsReference: false, prompts: other, responses: answers.responses },
  }
  await expect(world.execute(context, spec)).rejects.toThrow(
    /^the responses of tiny@1 are not those to the suite's prompts/,
  )
})
