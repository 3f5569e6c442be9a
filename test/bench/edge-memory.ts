// What ONNX Runtime's memory grows to for graphs of several shapes, beside what is foreseen. Run: npx node test/bench/edge-memory.ts
// Each model has a memory of its own; rows of growing length are run one after the other, every token but the first a response's.
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { edgeFit } from "#shared/formats/onnx/edge-fit.ts"
import type { GraphWeights } from "#shared/formats/onnx/graph-weights.ts"
import { EDGE_SHAPES } from "#test/shared/formats/onnx/edge-shapes.ts"
import { measureRuntime } from "#test/shared/formats/onnx/measure-runtime.ts"

const ROW_TOKENS = [64, 512, 2048]
const WEIGHTS: readonly GraphWeights[] = ["f32", "bf16", "int8"]

const inMebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
const row = (cells: readonly (string | number)[]) => console.log(`| ${cells.join(" | ")} |`)

row(["model", "weights", "file, MiB", "row, tokens", "foreseen, MiB", "memory, MiB", "a row, ms"])
row(Array.from({ length: 7 }, () => "---"))
for (const [name, fields] of Object.entries(EDGE_SHAPES)) {
  const config = parseDecoderConfig(fields)
  for (const weights of WEIGHTS) {
    const { fileBytes, memoryBytes, runMs } = await measureRuntime({ fields, weights, rowTokens: ROW_TOKENS })
    ROW_TOKENS.forEach((longestRowTokens, index) => {
      const { bytes } = edgeFit({ config, weights, longestRowTokens })
      const measured = [inMebibytes(bytes), inMebibytes(memoryBytes[index]!), Math.round(runMs[index]!)]
      row([name, weights, inMebibytes(fileBytes), longestRowTokens, ...measured])
    })
  }
}
