// A candidate beside what production serves, pair by pair: from the evaluation that production's own run left, or from one that a runner makes.
import { beforeEach, expect, it } from "vitest"
import type { GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import { blobKey } from "#shared/wire/blobs.ts"
import { LEARNED, leaseNext, resultOf, work } from "./test-runner.ts"
import { addPairs, bindings, finished, orchestrator, startWorld, triggerOnce, valueIn } from "./world.ts"

beforeEach(() => startWorld())

const declare = (gates: GatesDeclaration) =>
  bindings.DB.prepare("UPDATE datasets SET gates = ?").bind(JSON.stringify(gates)).run()

/** Work settings by turns, so that each has a half of the held-out pairs. */
const giveSettings = () =>
  bindings.DB.prepare("UPDATE pairs SET task = iif(rowid % 8 = 4, 'support', 'manufacturing')").run()

it("a work setting that loses what production had learnt keeps a candidate back; without production its gate has nothing to say", async () => {
  await declare({ rules: [{ measurement: "worst-setting-lead", atLeast: -0.05, bound: "high" }] })
  await addPairs(0, 240)
  await giveSettings()
  const one = await triggerOnce("one")
  await work(2)
  const first = (await finished(one)).detail
  expect(first.promote).toMatchObject({ promoted: true, gates: [{ gate: "finite" }, { gate: "worst-setting-lead" }] })
  expect(first.evaluate!.measurements).not.toHaveProperty("worst-setting-lead")

  const second = await triggerOnce("two", { config: { seed: 7 } })
  await work(2, { chosen: -0.9, rejected: 0.3 })
  const { promote, evaluate } = (await finished(second)).detail
  expect(promote!.promoted).toBe(false)
  expect(promote!.gates.map(({ gate, passed }) => [gate, passed])).toEqual([
    ["finite", true],
    ["worst-setting-lead", false],
  ])
  const worst = evaluate!.measurements!["worst-setting-lead"]!
  if (!("value" in worst)) throw new Error(worst.missing)
  expect(promote!.gates[1]!.value).toBe(worst.high)
  expect(worst.of).toMatch(/^\d+ pairs of "(support|manufacturing)", the worst of 2$/)
  expect(worst.value).toBeLessThanOrEqual((evaluate!.measurements!["lead-over-production"] as { value: number }).value)
})

it("has production measured again where its own evaluation of the same pack is stored no more", async () => {
  await addPairs(0, 40)
  const first = await triggerOnce("one")
  await work(1)
  const evaluating = await leaseNext()
  const result = await resultOf(evaluating, LEARNED)
  if (result.kind !== "evaluate") throw new Error("no evaluation")
  const { jobId, fencingToken } = evaluating
  valueIn(await orchestrator.complete({ jobId, fencingToken, result }))
  await finished(first)
  await bindings.BLOBS.delete(blobKey(result.evaluation))
  const second = await triggerOnce("two", { config: { seed: 7 } })
  await work(2, { chosen: 0.1, rejected: -0.2 })
  expect(await work(1)).toEqual([`${second}-evaluate-production-1`])
  const { measurements } = (await finished(second)).detail.evaluate!
  expect(measurements!["lead-over-production"]).toMatchObject({ value: expect.any(Number), of: "10 held-out pairs" })
})

it("is held to what earlier runs had of the held-out pairs and is still said: forgetting keeps a candidate back", async () => {
  const old = await addPairs(0, 160)
  const first = await triggerOnce("one")
  await work(2)
  const { measurements: none } = (await finished(first)).detail.evaluate!
  for (const name of ["old-pairs-gain", "old-pairs-lead"]) expect(none).not.toHaveProperty(name)

  // Of the forty held out, three are taken back; twenty come that no run had.
  await bindings.DB.prepare("UPDATE pairs SET status = 'retracted' WHERE id IN (SELECT value FROM json_each(?))")
    .bind(JSON.stringify([3, 7, 11].map((number) => old[number])))
    .run()
  await addPairs(160, 240)
  // A run that had them, and taught nobody anything: it does not make them old.
  const cancelled = await triggerOnce("cancelled")
  await leaseNext()
  valueIn(await orchestrator.cancelRun(cancelled))
  const second = await triggerOnce("two")
  await work(2, { chosen: -0.9, rejected: 0.3 })
  await work(1)
  const { promote, evaluate } = (await finished(second)).detail
  const of = "37 held-out pairs that earlier runs had too"
  for (const name of ["old-pairs-gain", "old-pairs-lead", "old-pairs-change"])
    expect(evaluate!.measurements![name]).toMatchObject({ of })
  expect(evaluate!.measurements!["old-pairs-change"]).toMatchObject({ value: expect.closeTo(-1.2, 6) })
  expect(promote!.gates.find(({ gate }) => gate === "old-pairs-lead")).toMatchObject({ passed: false, bound: "high" })
  expect(promote!.promoted).toBe(false)
})
