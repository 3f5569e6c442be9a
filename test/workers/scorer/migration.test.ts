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

it("pairs of before have the votes of what stands, and their dataset keeps both directions of a contradicted one", async () => {
  const before = bindings.MIGRATIONS.findIndex(({ name }) => name.startsWith("0011"))
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS.slice(0, before))
  await bindings.DB.prepare(
    `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at)
     VALUES ('support', 'tiny', 1, 128, '{}', 0)`,
  ).run()
  const said = [
    ...["one", "two", "gone"].map((name) => choice("hello", "the", "an", name)),
    ...["against", "alone"].map((name) => choice(name === "alone" ? "other" : "hello", "an", "the", name)),
  ]
  const ids = await receive(said)
  const [one, two, gone, against, alone] = ids as [string, string, string, string, string]
  const pair = (id: string, by: string, chosen: string, rejected: string) =>
    bindings.DB.prepare(
      `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids, prompt_tokens,
                          chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at, chosen_candidate, rejected_candidate)
       VALUES (?, 'support', ?, 'ready', 1, 'train', '', x'00', 1, 1, 1, ?, ?, 0, 'b', 'a')`,
    ).bind(id, by, chosen, rejected)
  const states = (id: string, by: string) =>
    bindings.DB.prepare("INSERT INTO pair_statements VALUES (?, ?)").bind(id, by)
  await bindings.DB.batch([
    bindings.DB.prepare("DELETE FROM outbox"),
    bindings.DB.prepare("UPDATE comparisons SET status = 'paired'"),
    bindings.DB.prepare("UPDATE comparisons SET status = 'retracted' WHERE id = ?").bind(gone),
    pair("for", one, "the", "an"),
    pair("against", against, "an", "the"),
    pair("alone", alone, "x", "y"),
    ...[one, two, gone].map((by) => states("for", by)),
    states("against", against),
    states("alone", alone),
  ])
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS)
  const { results } = await bindings.DB.prepare(
    "SELECT id, status, votes_for AS yes, votes_against AS no FROM pairs ORDER BY id",
  ).all()
  expect(results).toEqual([
    { id: "against", status: "ready", yes: 1, no: 2 },
    { id: "alone", status: "ready", yes: 1, no: 0 },
    { id: "for", status: "ready", yes: 2, no: 1 },
  ])
  expect(await bindings.DB.prepare("SELECT split_votes FROM datasets").first("split_votes")).toBe("weight")
  // What the second says of the pair was not kept: it is derived once more, and nobody is asked.
  expect((await outbox()).map(({ comparison_id }) => comparison_id)).toEqual([two])
})
