// Whole runs on a model of each family, from its folder to what is written, and back: what a run leaves behind scores as its last
// evaluation did, and a full fine-tune moves biases, norms of q and k, and all four norms of Gemma too.
import { afterAll, expect } from "vitest"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder, type DecoderOptions, type DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { asFloat32 } from "#shared/formats/weights/tensor.ts"
import { createWorkspace, TINY_FIELDS, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { FAMILY_NAMES, smallFields } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

/** Mean over the rows of the chosen responses' log-probs, nats. */
async function meanChosen(
  context: OpContext,
  source: DecoderSource,
  rows: readonly TokenRow[],
  adapter?: DecoderOptions["adapter"],
): Promise<number> {
  const model = createDecoder(context, source, { positionCount: 64, adapter })
  const scores = await scoreRows(context, model, rows, { tokenBudget: 4096 })
  model.release()
  return scores.reduce((sum, { chosen }) => sum + responseLogProb(chosen).sum, 0) / rows.length
}

for (const family of FAMILY_NAMES) {
  softwareTest(`${family}: adapter and full fine-tune score as the run's last evaluation`, async (context) => {
    const directory = writeTinyModel(workspace, family, 1, smallFields(family, TINY_FIELDS))
    const tiny = await tinyRun(workspace, 8, directory)
    const split = { train: tiny.rows.slice(0, 4), heldOut: tiny.rows.slice(4) }
    const run = async (kind: string, loraRank: number) => {
      const out = `${family}-${kind}`
      const report = await trainRun(context.gpu, tiny.inputs(out, { loraRank, epochs: 3 }, split))
      const of = (when: "before" | "after") => report.heldOut![when].metrics["eval_logps/chosen"] as number
      expect(Math.abs(of("after") - of("before"))).toBeGreaterThan(1e-2)
      return { folder: workspace.at(out), after: of("after") }
    }

    const lora = await run("lora", 4)
    const { adapter } = readAdapterFolder(lora.folder, tiny.model)
    expect(Math.abs((await meanChosen(context, tiny.model, split.heldOut, adapter)) - lora.after)).toBeLessThan(1e-4)

    const full = await run("full", 0)
    const written = await readModelFolder(full.folder)
    expect(written.config).toEqual(tiny.model.config)
    expect(Math.abs((await meanChosen(context, written, split.heldOut)) - full.after)).toBeLessThan(1e-4)
    for (const [name, tensor] of tiny.model.tensors) {
      const [before, after] = [asFloat32(tensor), asFloat32(written.tensors.get(name)!)]
      const largest = before.reduce((most, value, i) => Math.max(most, Math.abs(after[i]! - value)), 0)
      expect(largest, name).toBeGreaterThan(1e-4)
    }
  })
}
