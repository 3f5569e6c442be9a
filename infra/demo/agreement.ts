// How far the edge's reference log-probs (ONNX Runtime in the scorer) are from the runner's own, over every response token of
// the demo's last pack. Both computed the same ids: the pack carries the edge's, and the runner reads them from it.
// usage: npm start -- --once, then: node infra/demo/agreement.ts [--state DIRECTORY]
import path from "node:path"
import { parseArgs } from "node:util"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { decodePack, packPair } from "#shared/wire/pack.ts"
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
export const measureAgreement = async (packBytes: Uint8Array): Promise<Agreement> => {
  const pack = decodePack(packBytes)
  const pairs = Array.from({ length: pack.pairCount }, (_, index) => packPair(pack, index))
  const rows = pairs.map(({ id, promptIds, chosenIds, rejectedIds }) => ({
    id,
    promptIds: Uint32Array.from(promptIds),
    chosenIds: Uint32Array.from(chosenIds),
    rejectedIds: Uint32Array.from(rejectedIds),
    weight: 1,
  }))
  const gpu = await openDevice()
  try {
    const context = createContext(gpu)
    const source = await readModelFolder(path.join(root, "infra/demo/model"))
    const model = createDecoder(context, source, { positionCount: source.config.maxPositions })
    const scores = await scoreRows(context, model, rows, { tokenBudget: 4096 })
    const differences = scores.map(({ chosen, rejected }, index) => {
      const reference = pairs[index]!.referenceLogProbs!
      return Math.max(largest(chosen, reference.chosen), largest(rejected, reference.rejected))
    })
    const tokens = scores.reduce((sum, { chosen, rejected }) => sum + chosen.length + rejected.length, 0)
    return { pairs: pairs.length, tokens, largestDifference: Math.max(...differences) }
  } finally {
    gpu.destroy()
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { state: { type: "string", default: path.join(root, ".yohaku/local") } } })
  console.log(JSON.stringify(await measureAgreement(newestPack(path.resolve(values.state)))))
}
