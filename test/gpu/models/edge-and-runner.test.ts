// One reference in two places: the edge's graph in ONNX Runtime's WASM build and the runner's decoder on the device give the same log-probs,
// of every family, with weights as stored and in the kinds that both can hold.
import { expect } from "vitest"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { GRAPH_WEIGHTS } from "#shared/formats/onnx/graph-weights.ts"
import { FAMILY_NAMES, randomDecoder } from "#test/reference/random-decoder.ts"
import { runGraphs } from "#test/shared/formats/onnx/run-graph.ts"
import { softwareTest } from "../lanes.ts"
import { scoresOf } from "./decoder-passes.ts"
import { randomRows, STEP_LENGTHS, tinyFamilyConfig } from "./tiny.ts"

const TOLERANCE_NATS = 1e-3

for (const family of FAMILY_NAMES) {
  softwareTest(
    `${family}: edge and runner agree within 1e-3 nats a token, whatever holds the weights`,
    async (context) => {
      const config = tinyFamilyConfig(family)
      const tensors = randomDecoder(config, 7, 1.5)
      const rows = randomRows(config, STEP_LENGTHS)
      const sequences = rows.flatMap(({ promptIds, chosenIds, rejectedIds }) =>
        [chosenIds, rejectedIds].map((responseIds) => ({
          tokenIds: Uint32Array.from([...promptIds, ...responseIds]),
          responseStart: promptIds.length,
        })),
      )
      for (const weights of GRAPH_WEIGHTS) {
        const options = { positionCount: 32, train: "nothing", baseWeights: weights } as const
        const model = createDecoder(context, { config, tensors }, options)
        const atRunner = await scoresOf(context, model, rows)
        model.release()
        const atEdge = (await runGraphs(exportOnnxGraph({ config, tensors }, weights), sequences)).flatMap((of) => [
          ...of,
        ])
        expect(atEdge).toHaveLength(atRunner.length)
        const worst = atEdge.reduce((most, value, index) => Math.max(most, Math.abs(value - atRunner[index]!)), 0)
        expect(worst, weights).toBeLessThan(TOLERANCE_NATS)
      }
    },
  )
}
