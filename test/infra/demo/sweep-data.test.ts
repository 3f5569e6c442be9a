// The data of the demo's sweep: the committed comparisons with the rule's labels, no prompt on both sides; and its page.
import { describe, expect, test } from "vitest"
import { sweepData } from "#infra/demo/sweep-data.ts"
import { pageWithResults, resultsOf } from "#infra/demo/sweep-page.ts"
import { committedText, committedTraffic, committedTruth, readDelivery } from "./committed.ts"

describe("pairs and held-out pairs", async () => {
  const { pairs, heldOut } = await sweepData()
  const all = [...pairs, ...heldOut]

  test("are all committed comparisons, chosen by the rule", () => {
    const shown = new Map(
      committedTraffic()
        .filter(({ expect: { outcome } }) => outcome === "accepted")
        .map((delivery) => readDelivery(delivery))
        .map((delivery) => [delivery.externalId, delivery] as const),
    )
    const truth = new Map(committedTruth().map((row) => [row.id, row]))
    expect(all).toHaveLength(truth.size)
    for (const { id, prompt, chosen, rejected } of all) {
      const { responses, prompt: asked } = shown.get(id)!
      const { better } = truth.get(id)!
      expect(prompt[0]!.content).toBe(asked)
      expect([chosen[0]!.content, rejected[0]!.content]).toEqual([responses[better], responses[1 - better]])
    }
  })

  test("share no prompt, and about three eighths are held out", () => {
    const prompts = new Set(pairs.map(({ prompt }) => prompt[0]!.content))
    expect(heldOut.filter(({ prompt }) => prompts.has(prompt[0]!.content))).toEqual([])
    expect(committedText("../../docs/sweep.md")).toContain(
      `${pairs.length} pairs are trained on, ${heldOut.length} are held out`,
    )
    expect(heldOut.length / all.length).toBeGreaterThan(0.33)
    expect(heldOut.length / all.length).toBeLessThan(0.42)
  })
})

test("the page takes results between its markers, again and again", () => {
  const page = committedText("../../docs/sweep.md")
  const cells = [{ durationSeconds: 90 }, { durationSeconds: 30 }]
  const results = resultsOf("| a table |", cells as never, "2026-11-25")
  expect(results).toBe("2 runs, 2 minutes of training, 2026-11-25. | a table |")
  const once = pageWithResults(page, results)
  expect(once).toContain(results)
  expect(pageWithResults(once, results)).toBe(once)
  expect(() => pageWithResults("no markers", results)).toThrow(/lacks <!-- results/)
})
