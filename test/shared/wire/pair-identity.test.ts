// A pair's name and its side of the split.
import { expect, it } from "vitest"
import { pairId, splitOf } from "#shared/wire/pair-identity.ts"

it("names a pair by dataset and texts, whatever else the object holds", async () => {
  const text = { prompt: "Hi", chosen: "Hello", rejected: "No" }
  const id = await pairId("support", text)
  expect(id).toBe("4d72beb6cbf359bdd6f8e40207b4ddef5d1bcf5b9f6b7f0a6721235c78976747")
  expect(await pairId("support", { ...text, weight: 2 } as typeof text)).toBe(id)
  const swapped = { prompt: "Hi", chosen: "No", rejected: "Hello" }
  expect(new Set([id, await pairId("other", text), await pairId("support", swapped)]).size).toBe(3)
})

it("holds out a quarter of the prompts, the same ones always", async () => {
  const prompts = Array.from({ length: 2000 }, (_, index) => `prompt ${index}`)
  const splits = await Promise.all(prompts.map(splitOf))
  expect(splits.slice(0, 12).join(" ")).toBe(
    "train train train train held-out train train held-out train held-out train train",
  )
  expect(splits.filter((split) => split === "held-out")).toHaveLength(485)
})

it("splits by what the prompt says, not by how its object is ordered", async () => {
  const [one, other] = [[{ role: "user", content: "Hi" }], [{ content: "Hi", role: "user" }]]
  expect(await splitOf(one)).toBe(await splitOf(other))
})
