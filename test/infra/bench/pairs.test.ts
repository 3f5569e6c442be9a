// What the benches of many pairs hold sizes to, and how often they measure what is short.
import { execFileSync } from "node:child_process"
import { describe, expect, it } from "vitest"
import { heavyIsolates, notFlat, tooFast } from "#test/bench/pairs/bounds.ts"
import { repeated } from "#test/bench/pairs/repeated.ts"

describe("a stage's time", () => {
  it("may grow 1.2 times as fast as the pairs, and no faster", () => {
    const before = { pairs: 1000, seconds: { snapshot: 0.1, pack: 2 } }
    expect(tooFast({ pairs: 10_000, seconds: { snapshot: 0.5, pack: 23.9 } }, before)).toEqual([])
    expect(tooFast({ pairs: 10_000, seconds: { snapshot: 1.5, pack: 23.9 } }, before)).toEqual([
      "snapshot of 10000 pairs takes 1.50 × linear",
    ])
  })

  it("is the median where it is short, the first run left out, and the first where it is long", async () => {
    const times = [0.9, 2, 4, 3]
    let runs = 0
    const short = await repeated(async () => ({ value: runs, seconds: { stage: times[runs++]! } }))
    expect(short).toEqual({ value: 3, seconds: { stage: 3 } })
    let longRuns = 0
    const long = await repeated(async () => ({ value: ++longRuns, seconds: { stage: 60 } }))
    expect(long).toEqual({ value: 1, seconds: { stage: 60 } })
  })
})

describe("memory", () => {
  it("of an isolate is below 100 MB", () => {
    expect(heavyIsolates(1000, { scorer: 99_999_999, gateway: 100_000_000 })).toEqual([
      "gateway of 1000 pairs holds 100.0 MB in an isolate",
    ])
  })

  it("of a runner beside its rows' index is the same from 10,000 pairs on, within 2 MB", () => {
    const sizes = [1000, 10_000, 100_000].map((pairs, index) => ({ pairs, besideBytes: [0, 5e6, 7e6][index]! }))
    expect(notFlat(sizes[1]!, sizes[0]!)).toEqual([])
    expect(notFlat(sizes[2]!, sizes[1]!)).toEqual([])
    expect(notFlat({ pairs: 100_000, besideBytes: 7_100_000 }, sizes[1]!)).toHaveLength(1)
  })

  it("is what is held at a look, and not what was let go before", () => {
    // In a process of its own: memory of this one is other tests' too.
    const measuring = `
      import { peakHeldBytes } from "#test/bench/pairs/repeated.ts"
      const filled = (bytes) => new Uint8Array(bytes).fill(1)[bytes - 1]
      const kept = []
      const peak = await peakHeldBytes(async (looks) => {
        if (filled(30_000_000) !== 1) throw new Error("it is not filled")
        kept.push(new Uint8Array(10_000_000))
        looks.now()
      })
      console.log(peak, kept.length)`
    const options = ["--input-type=module", "--eval", measuring]
    const [peak, kept] = execFileSync(process.execPath, options, { encoding: "utf8" }).split(" ").map(Number)
    expect(kept).toBe(1)
    expect(peak).toBeGreaterThan(9_900_000)
    expect(peak).toBeLessThan(15_000_000)
  })
})
