// The whole demo with real processes, killed with signal 9 at three moments and going on by itself or started again: nothing is lost,
// nothing is doubled, and the promoted adapter is the same to the byte. One demo meets all three; in `npm run test:full` also one each.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { measureAgreement } from "#infra/demo/agreement.ts"
import type { DemoReport } from "#infra/demo/loop/report.ts"
import { expectedPairs, readTraffic } from "#infra/demo/loop/traffic.ts"
import { newestPack } from "#infra/demo/newest-pack.ts"
import { isFullRun } from "#test/full-run.ts"
import { type DemoExit, type DemoSystem, demoSystem } from "./demo-process.ts"
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

/** What is killed, when a line of progress matches. */
type Kill = readonly [part: "workers" | "runner" | "everything", when: RegExp]

const EVERYTHING: Kill = ["everything", /delivered 100 of/]
const RUNNER: Kill = ["runner", TRAINING]
const WORKERS: Kill = ["workers", TRAINING]

/** Starts the demo and kills these, one after the other. */
const killedIn = async (system: DemoSystem, kills: readonly Kill[]): Promise<DemoExit> => {
  const left = [...kills]
  const exit = await system.start((line) => {
    if (left[0]?.[1].test(line)) system.kill(left.shift()![0])
  })
  expect(left, exit.stderr).toEqual([])
  return exit
}

/** Everything is killed, the program itself too, and started again by hand; then a part is, which is started again by itself. */
const killed = async (isTakenUp: boolean, ...parts: readonly Kill[]): Promise<Ending> => {
  const system = await makeSystem()
  if (isTakenUp) {
    const { signal, stderr } = await killedIn(system, [EVERYTHING])
    expect(signal, stderr).toBe("SIGKILL")
  }
  const { code, report, stderr } = await killedIn(system, parts)
  expect(code, stderr).toBe(0)
  for (const [part] of parts)
    expect(stderr).toMatch(new RegExp(`the ${part} stopped \\(signal SIGKILL\\)[^]*the ${part} started again`))
  return { report: report!, stored: await storedState(system.stateDirectory) }
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

/** An evaluation's id is of the key that asked for it. */
const counted = ({ answers: { evaluationId: _, ...numbers } }: DemoReport) => numbers

const expectSameEnding = ({ report, stored }: Ending): void => {
  expect(report.promoted).toEqual(uninterrupted.report.promoted)
  expect(report.accuracy).toEqual(uninterrupted.report.accuracy)
  expect(report.pairs).toEqual(uninterrupted.report.pairs)
  expect(report.gates).toEqual(uninterrupted.report.gates)
  expect(counted(report)).toEqual(counted(uninterrupted.report))
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

  it("has base and adapter answer the suite in one evaluation of the gateway, and counts by rule", () => {
    const { answers, gates } = uninterrupted.report
    expect(answers).toMatchObject({
      ...{ evaluationId: expect.stringMatching(/^[0-9a-f]{64}$/), prompts: 6, maxTokens: 64 },
      toThePoint: { simpo: null, dpo: null },
      byRule: { simpo: null, dpo: null },
      // It is the only adapter, and none judges its own answers.
      byJudge: { judge: "demo@1", alphaDpo: null, simpo: null, dpo: null },
    })
    const { wins, losses, ties } = answers.byRule.alphaDpo!
    expect(wins + losses + ties).toBe(6)
    expect(gates.map(({ gate }) => gate)).toContain("gain-over-base")
  })

  it("has the same reference log-probs on the edge as on the runner", async () => {
    const { pairs, largestDifference } = await measureAgreement(newestPack(systems[0]!.stateDirectory))
    expect(pairs).toBe(pairsOfTraffic())
    expect(largestDifference).toBeLessThan(1e-3)
  })

  it("ends the same when all of it is killed while labels come in, its runner while it trains, and its workers then", async () => {
    expectSameEnding(await killed(true, RUNNER, WORKERS))
  })

  it.runIf(isFullRun)(
    "ends the same when everything is killed while labels come in, and it is started again",
    async () => {
      expectSameEnding(await killed(true))
    },
  )

  it.runIf(isFullRun)("ends the same when the runner is killed while it trains", async () => {
    expectSameEnding(await killed(false, RUNNER))
  })

  it.runIf(isFullRun)("ends the same when the workers are killed while the runner trains", async () => {
    expectSameEnding(await killed(false, WORKERS))
  })

  it("that was played is not played again without being asked: --once prints its report", async () => {
    const again = await systems[0]!.start()
    expect(again).toMatchObject({ code: 0, report: uninterrupted.report })
    expect(again.stderr).toMatch(/was played before.*npm start -- --replay plays it again/)
  })
})
