// How a policy behaves beside its base, as an evaluation job hands it in.
import { Effect } from "effect"
import { afterAll, expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readSafetensors, tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { measureAnswers } from "#shared/gates/answer-measurements.ts"
import type { Behaviour } from "#shared/gates/behaviour.ts"
import { BUILT_IN_PROBES } from "#shared/gates/probe-texts.ts"
import { decodeEvaluation } from "#shared/wire/evaluation.ts"
import type { EvaluateJob } from "#shared/wire/job.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { tinyRun } from "../trainer/tiny-run.ts"
import { CONFIG, JobWorld } from "./job-world.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)
const world = new JobWorld(workspace, tiny)

const TONE = { name: "tone", pairs: [{ prompt: "hello", chosen: "good day", rejected: "what" }] } as const

/** Digest of what the job handed in. */
async function evaluated(context: OpContext, pack: string, judged: Partial<EvaluateJob>): Promise<string> {
  const base = world.putFolder(tiny.model.directory)
  const asked = { behaviour: { probes: [TONE] }, ...judged }
  const job = { kind: "evaluate", runId: "run", base, pack, split: "held-out", ...asked } as const
  const result = await world.execute(context, job)
  if (result.kind !== "evaluate") throw new Error(`an evaluate job gave ${result.kind}`)
  return result.evaluation
}

async function behaviourOf(context: OpContext, pack: string, judged: Partial<EvaluateJob>): Promise<Behaviour> {
  const digest = await evaluated(context, pack, judged)
  const evaluation = await Effect.runPromise(decodeEvaluation(world.blobs.get(digest)!))
  expect(evaluation.promptScripts).toHaveLength(evaluation.pairIds.length)
  return evaluation.behaviour!
}

softwareTest(
  "the base beside itself gives the same answers and scores, and the dataset's probe is last",
  async (context) => {
    const { answers, answersFault, probes } = await behaviourOf(
      context,
      await world.pack(context, tiny.model.fingerprint),
      {},
    )
    expect(answersFault).toBeUndefined()
    expect(answers.length).toBeGreaterThan(0)
    for (const { policy, base } of answers) expect(policy).toEqual(base)
    expect(probes.map(({ name }) => name)).toEqual([...BUILT_IN_PROBES.map(({ name }) => name), "tone"])
    for (const { policy, base } of probes) expect(policy).toEqual(base)
  },
)

softwareTest("an adapter's answers come beside the base's own, and so do a whole model's", async (context) => {
  const pack = await world.pack(context, tiny.model.fingerprint)
  const config = { ...CONFIG, method: "sft", learningRate: 2e-2 }
  const plain = await behaviourOf(context, pack, {})
  const { adapter } = await world.train(context, pack, config)
  const { model } = await world.train(context, pack, { ...config, loraRank: 0, learningRate: 5e-3 })
  for (const judged of [{ adapter: adapter! }, { model: model! }]) {
    const { answers, probes } = await behaviourOf(context, pack, judged)
    expect(answers.map(({ base }) => base)).toEqual(plain.answers.map(({ base }) => base))
    expect(answers.map(({ policy }) => policy)).not.toEqual(answers.map(({ base }) => base))
    expect(probes.map(({ base }) => base)).toEqual(plain.probes.map(({ base }) => base))
    expect(probes[0]!.policy).not.toEqual(probes[0]!.base)
  }
})

softwareTest("a base answers once: the next evaluation of it generates its policy's answers alone", async (context) => {
  const pack = await world.pack(context, tiny.model.fingerprint)
  const { adapter } = await world.train(context, pack, { ...CONFIG, method: "sft", learningRate: 2e-2 })
  const generated = async (judged: Partial<EvaluateJob>) => {
    world.progress.length = 0
    const digest = await evaluated(context, pack, judged)
    const { step, steps, message } = world.progress.at(-1)!
    expect(step).toBe(steps)
    return { digest, answers: steps, tokens: Number(/, (\d+) tokens$/.exec(message!)![1]) }
  }
  // A base in few bits is another one than any before it.
  const judged = { adapter: adapter!, baseWeights: "int8" } as const
  const first = await generated(judged)
  const { answers, probes } = (await Effect.runPromise(decodeEvaluation(world.blobs.get(first.digest)!))).behaviour!
  const tokensOf = (who: "policy" | "base") => answers.reduce((sum, { [who]: { ids } }) => sum + ids.length, 0)
  expect(first).toMatchObject({ answers: 2 * answers.length, tokens: tokensOf("policy") + tokensOf("base") })
  expect(await generated(judged)).toEqual({ ...first, answers: answers.length, tokens: tokensOf("policy") })

  const onStored = await behaviourOf(context, pack, { adapter: adapter! })
  expect(onStored.probes[0]!.base).not.toEqual(probes[0]!.base)
  const otherProbe = await behaviourOf(context, pack, { ...judged, behaviour: { probes: [] } })
  expect(otherProbe.probes.map(({ base }) => base)).toEqual(probes.slice(0, -1).map(({ base }) => base))
})

softwareTest(
  "an adapter that overflows says nothing, and why is handed on; one with a NaN is no adapter",
  async (context) => {
    const pack = await world.pack(context, tiny.model.fingerprint)
    const { adapter } = await world.train(context, pack, { ...CONFIG, maxSteps: 1 })
    const { tensors, metadata } = readSafetensors(world.blobs.get(adapter!["adapter_model.safetensors"]!)!)
    const withEvery = (value: number) => {
      const spoilt = [...tensors.values()].map(({ name, shape, data }) =>
        tensorOf(name, [...shape], new Float32Array(data.length / 4).fill(value)),
      )
      return { ...adapter!, "adapter_model.safetensors": world.put(writeSafetensors(spoilt, metadata)) }
    }
    await expect(behaviourOf(context, pack, { adapter: withEvery(Number.NaN) })).rejects.toThrow(/holds NaN at 0/)
    const behaviour = await behaviourOf(context, pack, { adapter: withEvery(1e30) })
    expect(behaviour.answers).toEqual([])
    expect(behaviour.answersFault).toMatch(/not finite/)
    expect(measureAnswers(behaviour).get("repetition-rise")).toEqual({ missing: behaviour.answersFault })
    expect(behaviour.probes[0]!.policy[0]!.chosen.sum).toBeNull()
  },
)
