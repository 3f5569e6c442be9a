// Whether weights that are on a hub are those of their configuration, told by their headers alone: a model is registered without its weights,
// and a run that cannot load them would end a day later. A hub without ranges is not asked for gigabytes; runners hold its files to the same.
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import type { TensorDescription } from "#shared/formats/weights/safetensors.ts"
import { checkWeightHeaders } from "#shared/formats/weights/safetensors-index.ts"
import { firstBytes } from "../first-bytes.ts"
import { SizeMismatch } from "../hub/errors.ts"
import type { HubAccess, HubFile } from "../hub/hub-client.ts"
import { hubSource } from "../hub/hub-source.ts"
import { headOfWeights } from "./weight-head.ts"

export interface HubWeights {
  readonly access: HubAccess
  readonly source: { readonly repository: string; readonly commit: string }
  readonly files: readonly HubFile[]
  /** Text of config.json, and of the index where there is one. */
  readonly config: string
  readonly index: string | undefined
}

/** True when all headers were read and are right. Errors: InvalidModel, InvalidSafetensors, SizeMismatch, HubRefused, HubUnreachable. */
export async function checkHubHeaders({ access, source, ...weights }: HubWeights): Promise<boolean> {
  const config = parseDecoderConfig(weights.config)
  const headers = new Map<string, readonly TensorDescription[]>()
  for (const file of weights.files) {
    const of = hubSource(access, { ...source, path: file.path, digest: file.digest })
    const name = `${file.path} of ${source.repository}`
    const header = await headOfWeights(name, async (bytes) => {
      const start = await firstBytes(of, bytes)
      if (start !== undefined && start.fileBytes !== file.sizeBytes)
        throw new SizeMismatch(name, file.sizeBytes, start.fileBytes)
      return start
    })
    if (header === undefined) return false
    headers.set(file.path, header)
  }
  checkWeightHeaders(config, headers, weights.index)
  return true
}
