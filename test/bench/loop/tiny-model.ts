// A model folder of the demo's tokenizer and next to no weights, which the edge scores with as little work as a reference can be.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { randomModel } from "#gpu-runner/bench/random-model.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { layoutSafetensors } from "#shared/formats/weights/safetensors.ts"
import { root } from "../load/running-system.ts"

const DEMO = path.join(root, "infra/demo/model")
const TINY = {
  ...{ hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1 },
  ...{ num_attention_heads: 1, num_key_value_heads: 1, head_dim: 32 },
}

export const writeTinyModel = (directory: string): void => {
  mkdirSync(directory, { recursive: true })
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    cpSync(path.join(DEMO, name), path.join(directory, name))
  const config = { ...JSON.parse(readFileSync(path.join(DEMO, "config.json"), "utf8")), ...TINY }
  writeFileSync(path.join(directory, "config.json"), JSON.stringify(config))
  const { head, order } = layoutSafetensors([...randomModel(parseDecoderConfig(config)).tensors.values()])
  writeFileSync(path.join(directory, "model.safetensors"), Buffer.concat([head, ...order.map(({ data }) => data)]))
}
