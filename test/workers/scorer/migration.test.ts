// Pairs of the rule before promptForm are derived again from what was said, once, and taken back judgements stay taken back.
import { applyD1Migrations, reset } from "cloudflare:test"
import { beforeEach, expect, it } from "vitest"
import { loadedModels } from "#workers/scorer/LoadedModels.ts"
import { tinyTokenisation } from "./tiny-model.ts"
import {
  bindings,
  choice,
  comparisonStates,
  deliver,
  model,
  only,
  outbox,
  receive,
  registerModel,
  tokenIds,
} from "./world.ts"

beforeEach(async () => {
  await reset()
  await loadedModels.clear()
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS.slice(0, 1))
  await registerModel("tiny", model)
})

it("a pair of the earlier rule is made again by the one that holds, and the retracted is not", async () => {
  await bindings.DB.prepare(
    `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at)
     VALUES ('support', 'tiny', 1, 128, '{}', 0)`,
  ).run()
  const [kept, retracted, dropped] = await receive(
    ["one", "two", "three"].map((prompt) => choice(prompt, "the", "an", prompt)),
  )
  const states = { [kept!]: "paired", [retracted!]: "retracted", [dropped!]: "dropped" }
  await bindings.DB.batch([
    bindings.DB.prepare("DELETE FROM outbox"),
    ...Object.entries(states).flatMap(([id, status]) => [
      bindings.DB.prepare("UPDATE comparisons SET status = ? WHERE id = ?").bind(status, id),
      bindings.DB.prepare(
        `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, prompt_tokens,
                            chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
         VALUES (?, 'support', ?, 'ready', 1, 'train', '', 0, 0, 0, '', '', 0)`,
      ).bind(`old-${id}`, id),
    ]),
  ])
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS)
  const waiting = (await outbox()).map(({ comparison_id }) => comparison_id)
  expect(waiting.toSorted()).toEqual([kept!, dropped!].toSorted())
  expect(await comparisonStates()).toEqual({ [kept!]: "received", [retracted!]: "retracted", [dropped!]: "received" })
  await deliver([kept])
  expect(tinyTokenisation().decode(tokenIds(await only()).prompt)).toBe("<s><|user|>one</s><|assistant|>")
})
