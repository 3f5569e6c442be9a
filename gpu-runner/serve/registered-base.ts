// The base that a registered model is an adapter of, fetched from the gateway (or the hub, as a runner does it) into a folder that the next start
// finds again.
import path from "node:path"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { type GatewayAddress, makeApiClient } from "#gpu-runner/client/ApiClient.ts"
import { toCallFailure } from "#gpu-runner/client/call-failure.ts"
import { type ModelFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { cachedModelFolder } from "#gpu-runner/fleet/blob-cache.ts"
import { FetchProgress } from "#gpu-runner/fleet/fetch-progress.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { pruneCache } from "#gpu-runner/fleet/prune-cache.ts"
import type { ModelVersion } from "#shared/domain/Model.ts"

export interface RegisteredModel {
  readonly gateway: GatewayAddress
  readonly name: string
  /** Bases lie in a folder of their own below it: what is pruned of adapters must not be the base. */
  readonly directory: string
}

/** Nothing says which base the model's adapters are of. */
export class BaseUnknown extends taggedError("BaseUnknown") {}

/** Of bases that were served before, so many bytes stay. */
const CACHE_BYTES = 64 * 2 ** 30

/** What production serves, else the candidate, else the newest. */
const pointedAt = (
  versions: readonly ModelVersion[],
  channels: readonly { readonly channel: string; readonly version: number }[],
): ModelVersion | undefined => {
  const of = (channel: string) => channels.find((pointer) => pointer.channel === channel)?.version
  const version = of("production") ?? of("candidate") ?? Math.max(...versions.map((each) => each.version))
  return versions.find((each) => each.version === version)
}

/** Errors: BaseUnknown, CallRefused, GatewayUnavailable, JobFailed where a file cannot be had, those of readModelFolder. */
export async function registeredBase(
  { gateway, name, directory }: RegisteredModel,
  onFetched: (file: string, bytes: number, total: number) => void,
): Promise<{ readonly name: string; readonly model: ModelFolder }> {
  const client = await Effect.runPromise(Effect.provide(makeApiClient(gateway), FetchHttpClient.layer))
  const look = (of: string) =>
    Effect.runPromise(Effect.mapError(client.models.get({ params: { name: of } }), toCallFailure))
  const { versions, channels } = await look(name)
  const served = pointedAt(versions, channels)
  if (served === undefined) throw new BaseUnknown(`${name} has no version yet, and nothing says which base it is of`)
  const { base, kind } = served
  if (kind !== "adapter" || base === undefined)
    throw new BaseUnknown(
      `version ${served.version} of ${name} is no adapter (${kind}), and has no base to serve it over`,
    )
  const found = (await look(base.name)).versions.find(({ version }) => version === base.version)
  if (found === undefined) throw new BaseUnknown(`the base ${base.name}@${base.version} is not registered any more`)
  const store = { directory: path.join(directory, "base") }
  pruneCache(store.directory, CACHE_BYTES)
  const fetching = cachedModelFolder(store, found.files, found.source).pipe(
    Effect.provideService(FetchProgress, onFetched),
    Effect.provide(layerHttp(gateway)),
  )
  const folder = await Effect.runPromise(fetching)
  return { name: base.name, model: await readModelFolder(folder, undefined, found.files) }
}
