import { expect, it } from "vitest"
import { progressInWords } from "#gpu-runner/fleet/fetch-progress.ts"

/** What is told of a file of 100 MB, of which 20 MB were there before: at these seconds, so many megabytes. */
const told = (steps: readonly (readonly [seconds: number, megabytes: number])[], totalBytes = 100e6): string[] => {
  const messages: string[] = []
  let now = 0
  const onFetched = progressInWords(
    ({ step, steps: all, message }) => {
      expect([step, all]).toEqual([0, 0])
      messages.push(message!)
    },
    () => now,
  )
  for (const [seconds, megabytes] of steps) {
    now = 1000 * seconds
    onFetched("model.safetensors", 1e6 * megabytes, totalBytes)
  }
  return messages
}

it("a fetch says how far it is, how fast without what was there before, and how long yet", () => {
  expect(
    told([
      [0, 20],
      [10, 40],
      [50, 100],
    ]),
  ).toEqual([
    "fetching model.safetensors: 20.0 MB of 100 MB",
    "fetching model.safetensors: 40.0 MB of 100 MB, 2.00 MB/s, 30 s left",
    "fetching model.safetensors: 100 MB of 100 MB, 1.60 MB/s, 0.0 s left",
  ])
})

it("a fetch says so at most twice a second, but always that it is done", () => {
  expect(
    told([
      [0, 20],
      [0.1, 30],
      [0.2, 40],
      [0.3, 100],
    ]),
  ).toHaveLength(2)
})

it("a fetch of an unknown size says of its beginning no amount", () => {
  expect(told([[0, 0]], Number.POSITIVE_INFINITY)).toEqual(["fetching model.safetensors"])
})

it("a fetch of an unknown size says how much there is", () => {
  expect(
    told(
      [
        [0, 0],
        [2, 10],
      ],
      Number.POSITIVE_INFINITY,
    )[1],
  ).toBe("fetching model.safetensors: 10.0 MB, 5.00 MB/s")
})
