// The adapter of the registry that a run starts from: pinned by its files when the run is triggered, with what it says of the configuration.
// It must be of the dataset's base, by name and version: another base's adapter adds to other weights.
import { type AdapterOptions, adapterOptions } from "#shared/domain/adapter-options.ts"
import type { ModelReference } from "#shared/domain/Dataset.ts"
import type { Files } from "#shared/domain/Files.ts"
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { InvalidAdapter, parseAdapterConfig } from "#shared/formats/peft/adapter-config.ts"
import { findBlob } from "#shared/wire/blobs.ts"
import { ADAPTER_FILES } from "#shared/wire/job.ts"
import type { RpcResult } from "#shared/wire/services.ts"
import type { Environment } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"

export interface Start {
  readonly startFrom: ModelReference & { readonly files: Files }
  readonly options: AdapterOptions
}

type Base = ModelReference & { readonly files: Files }

const optionsOf = async ({ BLOBS }: Environment, files: Files, base: Base): Promise<AdapterOptions | string> => {
  const [config, adapter] = await Promise.all(
    [base.files["config.json"], files["adapter_config.json"]].map((digest) => findBlob(BLOBS, digest ?? "none")),
  )
  if (config?.kind !== "whole" || adapter?.kind !== "whole") return "a file of it, or of its base, is not stored"
  try {
    return adapterOptions(
      parseAdapterConfig(adapter.bytes, parseDecoderConfig(new TextDecoder().decode(config.bytes))).settings,
    )
  } catch (cause) {
    if (cause instanceof InvalidAdapter || cause instanceof InvalidModel) return cause.message
    throw cause
  }
}

/** Refuses what is no adapter of the base, saying what to name instead. */
export const adapterToStartFrom = async (
  env: Environment,
  { name, version }: ModelReference,
  base: Base,
): Promise<RpcResult<Start>> => {
  const which = `startFrom: "${name}" version ${version}`
  const found = await env.REGISTRY.getByName(name).version(version)
  if (found === null) return refuse("Invalid", `${which} is not registered; GET /v1/models lists what there is`)
  if (found.kind !== "adapter")
    return refuse(
      "Invalid",
      `${which} is a whole model, and a run starts from an adapter; register it as a base (yohaku model push), and make a dataset of that`,
    )
  if (found.base?.name !== base.name || found.base.version !== base.version)
    return refuse(
      "Invalid",
      `${which} was trained on ${found.base?.name}@${found.base?.version}, and the dataset's base is ${base.name}@${base.version}; name an adapter of that`,
    )
  const files = Object.fromEntries(ADAPTER_FILES.map((file) => [file, found.files[file] ?? ""]))
  const options = await optionsOf(env, files, base)
  if (typeof options === "string") return refuse("Invalid", `${which} cannot be started from: ${options}`)
  return succeed({ startFrom: { name, version, files }, options })
}
