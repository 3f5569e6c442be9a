// Whether weights that are on a hub are those of their configuration, told by their headers alone: a model is registered without its weights,
// and a run that cannot load them would end a day later. A hub without ranges is not asked for gigabytes; runners hold its files to the same.
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import {
  headerEnd,
  InvalidSafetensors,
  readSafetensorsHeader,
  type TensorDescription,
} from "#shared/formats/weights/safetensors.ts"
import { checkWeightHeaders } from "#shared/formats/weights/safetensors-index.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { firstBytes } from "../hub/first-bytes.ts"
import type { HubAccess, HubFile } from "../hub/hub-client.ts"

/** Holds most headers: a second request is seldom needed. */
const FIRST_READ_BYTES = 256 * 1024

export interface HubWeights {
  readonly access: HubAccess
  readonly source: { readonly repository: string; readonly commit: string }
  readonly files: readonly HubFile[]
  /** Text of config.json, and of the index where there is one. */
  readonly config: string
  readonly index: string | undefined
}

async function headerOf(
  { access, source }: HubWeights,
  file: HubFile,
): Promise<readonly TensorDescription[] | undefined> {
  const start = (bytes: number) => firstBytes(access, source, file, bytes)
  const first = await start(FIRST_READ_BYTES)
  if (first === undefined) return undefined
  try {
    const end = headerEnd(first, file.sizeBytes, LIMITS.weightsHeaderBytes)
    const head = end <= first.length ? first.subarray(0, end) : await start(end)
    return head && readSafetensorsHeader(head, file.sizeBytes).tensors
  } catch (cause) {
    if (!(cause instanceof InvalidSafetensors)) throw cause
    throw new InvalidSafetensors(`${file.path} of ${source.repository} cannot be used: ${cause.message}`)
  }
}

/** True when all headers were read and are right. Errors: InvalidModel, InvalidSafetensors, HubRefused, HubUnreachable. */
export async function checkHubHeaders(weights: HubWeights): Promise<boolean> {
  const config = parseDecoderConfig(weights.config)
  const headers = new Map<string, readonly TensorDescription[]>()
  for (const file of weights.files) {
    const header = await headerOf(weights, file)
    if (header === undefined) return false
    headers.set(file.path, header)
  }
  checkWeightHeaders(config, headers, weights.index)
  return true
}
