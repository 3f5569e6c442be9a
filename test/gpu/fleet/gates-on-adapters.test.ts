// Bad adapters of the demo's model are blocked by the default gates, and good ones pass (test/adversarial). One of each takes seconds; all of them,
// with three seeds, belong to the full lane.
import path from "node:path"
import { afterAll, expect } from "vitest"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { DEFAULT_LIMITS } from "#shared/gates/default-rules.ts"
import { blocks } from "#shared/gates/GateResult.ts"
import { ADAPTERS } from "#test/adversarial/adapters.ts"
import { makeAll, makeWorld, triggerProbe, type Wanted, type WorldSize } from "#test/adversarial/make.ts"
import { tableOf, verdictsOf } from "#test/adversarial/verdicts.ts"
import { isFullRun } from "#test/full-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { gatesOf } from "#workers/orchestrator/retrain/gates.ts"
import { softwareTest } from "../lanes.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

async function judged(gpu: GpuDevice, name: string, wanted: Wanted, size?: WorldSize) {
  const folder = path.dirname(workspace.write(`${name}/none`, ""))
  const world = await makeWorld(gpu, folder, size)
  await makeAll(gpu, world, folder, wanted)
  const probed = gatesOf(DEFAULT_LIMITS, { probes: [triggerProbe(world.heldOut)] })
  const { pack, settings } = world
  return verdictsOf(wanted.seeds, { folder, pack, settings, gates: gatesOf(DEFAULT_LIMITS, {}), probed })
}

softwareTest("an adapter that says one token over and over is blocked by what it says", async ({ gpu }) => {
  const wanted: Wanted = { seeds: [1], only: (name) => name === "repeats-token", maxSteps: 12 }
  const [verdict] = await judged(gpu, "one", wanted, { train: 48, heldOut: 24 })
  const closed = verdict!.gates.filter(blocks).map(({ gate }) => gate)
  expect(closed).toEqual(expect.arrayContaining(["repetition-rise", "unended-rise"]))
})

if (isFullRun)
  softwareTest(
    "of three seeds, all twenty bad adapters are blocked and all five good ones pass",
    async ({ gpu }) => {
      const verdicts = await judged(gpu, "all", { seeds: [1, 2, 3] })
      expect(verdicts).toHaveLength(3 * ADAPTERS.length)
      const wrong = verdicts.filter(({ recipe, isBlocked }) => isBlocked !== (recipe.badBecause !== undefined))
      expect(
        wrong.map(({ recipe, seed }) => `${recipe.name} of seed ${seed}`),
        tableOf(verdicts),
      ).toEqual([])
    },
    3 * 3600_000,
  )
