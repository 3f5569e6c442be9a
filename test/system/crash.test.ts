// The whole demo with real processes, killed with signal 9 at three moments and going on by itself or started again: nothing is lost,
// nothing is doubled, and the promoted adapter is the same to the byte.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { measureAgreement } from "#infra/demo/agreement.ts"
import type { DemoReport } from "#infra/demo/loop/report.ts"
import { expectedPairs, readTraffic } from "#infra/demo/loop/traffic.ts"
import { newestPack } from "#infra/demo/newest-pack.ts"
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

/** Starts the demo and kills a part, once, when a line matches. */
const killedWhen = async (system: DemoSystem, part: "workers" | "runner" | "everything", when: RegExp) => {
  let isKilled = false
  const exit = await system.start((line) => {
    if (isKilled || !when.test(line)) return
    isKilled = true
    system.kill(part)
  })
  expect(isKilled, `no line matched ${when}:\n${exit.stderr}`).toBe(true)
  return exit
}

/** A part that is killed is started again, and the demo goes on. */
const killedAndRestarted = async (part: "workers" | "runner", when: RegExp): Promise<Ending> => {
  const system = await makeSystem()
  const { code, report, stderr } = await killedWhen(system, part, when)
  expect(code, stderr).toBe(0)
  expect(stderr).toMatch(new RegExp(`the ${part} stopped \\(signal SIGKILL\\)[^]*the ${part} started again`))
  return { report: report!, stored: await storedState(system.stateDirectory) }
}

/** Everything is killed, the program itself too, and started again by hand. */
const killedAndTakenUp = async (when: RegExp): Promise<Ending> => {
  const system = await makeSystem()
  const first = await killedWhen(system, "everything", when)
  expect(first.signal, first.stderr).toBe("SIGKILL")
  const second = await system.start()
  expect(second.code, second.stderr).toBe(0)
  return { report: second.report!, stored: await storedState(system.stateDirectory) }
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

  it("ends the same when everything is killed while labels come in, and it is started again", async () => {
    expectSameEnding(await killedAndTakenUp(/delivered 100 of/))
  })

  it("ends the same when the runner is killed while it trains", async () => {
    expectSameEnding(await killedAndRestarted("runner", /alpha-dpo: train [1-9]\d*\//))
  })

  it("ends the same when the workers are killed while the runner trains", async () => {
    expectSameEnding(await killedAndRestarted("workers", /alpha-dpo: train [1-9]\d*\//))
  })

  it("that was played is not played again without being asked: --once prints its report", async () => {
    const again = await systems[0]!.start()
    expect(again).toMatchObject({ code: 0, report: uninterrupted.report })
    expect(again.stderr).toMatch(/was played before.*npm start -- --replay plays it again/)
  })
})
