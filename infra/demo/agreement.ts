// How far the edge's reference log-probs (ONNX Runtime in the scorer) are from the runner's own, over every response token of
// the demo's last pack. Both computed the same ids: the pack carries the edge's, and the runner reads them from it.
// usage: npm start -- --once, then: node infra/demo/agreement.ts [--state DIRECTORY]
import path from "node:path"
import { parseArgs } from "node:util"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readPack } from "#gpu-runner/data/rows/pack-data.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { newestPack } from "./newest-pack.ts"

const root = path.resolve(import.meta.dirname, "../..")

export interface Agreement {
  readonly pairs: number
  readonly tokens: number
  /** Nats per token. */
  readonly largestDifference: number
}

const largest = (left: ArrayLike<number>, right: ArrayLike<number>): number =>
  Array.from(left).reduce((most, value, index) => Math.max(most, Math.abs(value - right[index]!)), 0)

/** Scores the pack's pairs with the runner's kernels and compares token by token. */
export const measureAgreement = async (manifestFile: string): Promise<Agreement> => {
  const gpu = await openDevice()
  try {
    const context = createContext(gpu)
    const source = await readModelFolder(path.join(root, "infra/demo/model"))
    const options = { kind: "pairs", maxLength: source.config.maxPositions } as const
    const { train, heldOut } = await readPack(manifestFile, source, options)
    const rows = [...train, ...heldOut]
    const model = createDecoder(context, source, { positionCount: source.config.maxPositions })
    const scores = await scoreRows(context, model, rows, { tokenBudget: 4096 })
    const differences = scores.map(({ chosen, rejected }, index) => {
      const reference = rows[index]!.reference!
      return Math.max(largest(chosen, reference.chosen.logProbs!), largest(rejected, reference.rejected.logProbs!))
    })
    const tokens = scores.reduce((sum, { chosen, rejected }) => sum + chosen.length + rejected.length, 0)
    return { pairs: rows.length, tokens, largestDifference: Math.max(...differences) }
  } finally {
    gpu.destroy()
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { state: { type: "string", default: path.join(root, ".yohaku/local") } } })
  console.log(JSON.stringify(await measureAgreement(newestPack(path.resolve(values.state)))))
}
