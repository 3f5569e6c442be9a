// A model with two versions, a judge, and evaluations of it that are asked for: what tests of evaluations begin with.
import type { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import type { EvaluationInput } from "#shared/wire/services.ts"
import { type Prompt, putSuite } from "./answers.ts"
import { makeAdapter } from "./test-runner.ts"
import { bindings, orchestrator, until, valueIn } from "./world.ts"

export const NAME = "support-dpo"
export const BASE = { name: "tiny", version: 1 }

/** A version of the model, which is told from others by its salt. */
export const addVersion = async (salt: string, name = NAME) =>
  valueIn(
    await bindings.REGISTRY.getByName(name).register({
      ...{ name, kind: "adapter", files: await makeAdapter({ chosen: 0, rejected: 0 }, salt) },
      ...{ base: BASE, metrics: {} },
    }),
  ).version

export const PROMPTS: Prompt[] = Array.from({ length: 12 }, (_, index) => ({
  id: `p${index}`,
  prompt: `Question ${index}`,
  metadata: { setting: index % 3 === 0 ? "sales" : "support" },
  ...(index < 4 ? { chosen: index === 3 ? "flat" : "good!", rejected: index === 3 ? "loud!" : "bad" } : {}),
}))

/** The candidate shouts louder on all but the first four prompts, of which the first is answered alike, and the second by silence. */
export const says = (name: string, _: Prompt, index: number): string => {
  if (index === 0) return "the same"
  if (name !== `${NAME}@2`) return index === 2 ? "" : "an answer!"
  return index === 1 ? "" : index === 3 ? "an answer" : "an answer!!"
}

const judgeModel = { name: "judge", version: 1 }

export const ask = async (changes: Partial<EvaluationInput> = {}) => {
  const prompts = await putSuite(PROMPTS)
  return orchestrator.evaluate({
    ...{ modelName: NAME, version: 2, key: "k", prompts, judge: { model: judgeModel } },
    ...changes,
  })
}

export const look = async (id: string): Promise<ModelEvaluation> =>
  valueIn(await orchestrator.getEvaluation({ modelName: NAME, id }))

export const ended = (id: string) =>
  until(
    () => look(id),
    ({ status }) => status !== "running",
  )

/** Two versions of the model, of which production serves the first, and a judge. */
export const addModels = async () => {
  for (const salt of ["one", "two"]) await addVersion(salt)
  await addVersion("the judge", "judge")
  valueIn(await orchestrator.moveChannel({ name: NAME, channel: "production", version: 1 }))
}
