// A row whose reference is not finite costs that row and not the run.
import { afterAll, expect } from "vitest"
import { NoUsableRows } from "#gpu-runner/data/errors.ts"
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 5)

softwareTest(
  "rows whose reference is not finite are dropped and counted, and the others are trained on",
  async (context) => {
    const model = createDecoder(context, tiny.model, { positionCount: 64 })
    const scores = await scoreRows(context, model, tiny.rows, { tokenBudget: 4096 })
    model.release()
    const rows = tiny.rows.map((row, index): TokenRow => {
      const { chosen, rejected } = scores[index]!
      return { ...row, reference: { chosen: responseLogProb(chosen), rejected: responseLogProb(rejected) } }
    })
    const brokenWith = (sum: number): TokenRow => {
      const { chosen, rejected } = rows[2]!.reference!
      return { ...rows[2]!, id: `broken ${sum}`, reference: { chosen, rejected: { ...rejected, sum } } }
    }
    const train = [brokenWith(Number.NaN), ...rows, brokenWith(Number.NEGATIVE_INFINITY)]
    const report = await trainRun(context.gpu, tiny.inputs("out", { batch: 5 }, { train, dropped: { empty: 2 } }))
    expect(report.pairs).toMatchObject({ train: 5, dropped: { empty: 2, "non-finite": 2 } })
    expect(report.skippedSteps).toBe(0)
    const [line] = metricsOf(workspace, "out")
    expect(line!["pairs/non-finite"]).toBe(2)
    await trainRun(context.gpu, tiny.inputs("clean", { batch: 5 }, { train: rows }))
    expect(line!.loss).toBe(metricsOf(workspace, "clean")[0]!.loss)
    const alone = trainRun(context.gpu, tiny.inputs("alone", {}, { train: [brokenWith(Number.NaN)] }))
    await expect(alone).rejects.toThrow(NoUsableRows)
    await expect(alone).rejects.toThrow(/dropped 1 non-finite/)
  },
)
