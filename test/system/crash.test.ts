// The whole demo with real processes, killed with signal 9 at three moments and started again: nothing is lost, nothing is
// doubled, and the promoted adapter is the same to the byte. One demo is killed at all three; in `npm run test:full` also one at each.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { measureAgreement } from "#infra/demo/agreement.ts"
import type { DemoReport } from "#infra/demo/loop/report.ts"
import { expectedPairs, readTraffic } from "#infra/demo/loop/traffic.ts"
import { newestPack } from "#infra/demo/newest-pack.ts"
import { isFullRun } from "#test/full-run.ts"
import { type DemoSystem, demoSystem } from "./demo-process.ts"
import { type StoredState, storedState } from "./stored-state.ts"

const EVENTS = 110
const CONFIG = {
  method: "alpha-dpo",
  epochs: 4,
  batch: 8,
  learningRate: 0.001,
  gammaBetaRatio: 0.5,
  loraRank: 4,
  loraAlpha: 8,
  checkpointEvery: 4,
}

const systems: DemoSystem[] = []
afterAll(() => {
  for (const system of systems) system.remove()
})

const makeSystem = async (): Promise<DemoSystem> => {
  const system = await demoSystem(EVENTS, CONFIG)
  systems.push(system)
  return system
}

interface Ending {
  readonly report: DemoReport
  readonly stored: StoredState
}

const TRAINING = /alpha-dpo: train [1-9]\d*\//

/** A part that is killed when a line of progress matches. */
type Kill = readonly [part: "workers" | "runner", when: RegExp]

const KILLS: readonly (readonly [when: string, Kill])[] = [
  ["the workers while labels come in", ["workers", /delivered 100 of/]],
  ["the runner while it trains", ["runner", TRAINING]],
  ["the workers while the runner trains", ["workers", TRAINING]],
]

const startedAndKilled = async (system: DemoSystem, [part, when]: Kill): Promise<void> => {
  let isKilled = false
  const { code, stderr } = await system.start((line) => {
    if (isKilled || !when.test(line)) return
    isKilled = true
    system.kill(part)
  })
  expect(isKilled, `no line matched ${when}:\n${stderr}`).toBe(true)
  expect(code, stderr).toBe(1)
  expect(stderr).toMatch(new RegExp(`the ${part} stopped .*Nothing is lost|fetch failed`))
}

/** Starts the demo, kills it and starts it again until it ends by itself. */
const killedAndResumed = async (...kills: readonly Kill[]): Promise<Ending> => {
  const system = await makeSystem()
  for (const kill of kills) await startedAndKilled(system, kill)
  const last = await system.start()
  expect(last.code, last.stderr).toBe(0)
  return { report: last.report!, stored: await storedState(system.stateDirectory) }
}

let uninterrupted: Ending

beforeAll(async () => {
  const system = await makeSystem()
  const { code, report, stderr } = await system.start()
  expect(code, stderr).toBe(0)
  uninterrupted = { report: report!, stored: await storedState(system.stateDirectory) }
}, 300_000)

const pairsOfTraffic = (): number =>
  expectedPairs(readTraffic(new URL("../../infra/demo/data/traffic.jsonl", import.meta.url).pathname).slice(0, EVENTS))

const expectSameEnding = ({ report, stored }: Ending): void => {
  expect(report.promoted).toEqual(uninterrupted.report.promoted)
  expect(report.accuracy).toEqual(uninterrupted.report.accuracy)
  expect(report.pairs).toEqual(uninterrupted.report.pairs)
  expect(stored).toEqual(uninterrupted.stored)
}

describe("the demo", () => {
  it("turns every usable label into one pair and promotes what it trained", () => {
    const { report, stored } = uninterrupted
    expect(report.pairs.accepted).toBe(pairsOfTraffic())
    expect(stored).toMatchObject({
      comparisons: stored.distinctComparisons,
      outbox: 0,
      readyPairs: pairsOfTraffic(),
      distinctPairContents: pairsOfTraffic(),
      runs: [{ status: "succeeded", trigger: "threshold" }],
    })
    expect(report.promoted).toMatchObject({ name: "demo", version: 1 })
    expect(stored.production).toEqual([report.promoted])
  })

  it("has the same reference log-probs on the edge as on the runner", async () => {
    const { pairs, largestDifference } = await measureAgreement(newestPack(systems[0]!.stateDirectory))
    expect(pairs).toBe(pairsOfTraffic())
    expect(largestDifference).toBeLessThan(1e-3)
  })

  it("ends the same when it is killed three times: its workers, its runner while it trains, its workers then", async () => {
    expectSameEnding(await killedAndResumed(...KILLS.map(([, kill]) => kill)))
  })

  for (const [when, kill] of KILLS)
    it.runIf(isFullRun)(`ends the same when it is killed once: ${when}`, async () => {
      expectSameEnding(await killedAndResumed(kill))
    })
})
