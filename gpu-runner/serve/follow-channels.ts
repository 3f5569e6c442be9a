// Adapters under a registry's channels: asked for again and again, fetched into a folder on disk, and served under NAME@CHANNEL. What cannot be
// fetched or read leaves in place what is served.
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { type GatewayAddress, makeApiClient } from "#gpu-runner/client/ApiClient.ts"
import { toCallFailure } from "#gpu-runner/client/call-failure.ts"
import { type ModelFolder, readAdapterFolder } from "#gpu-runner/data/model/model-folder.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { cachedFolder } from "#gpu-runner/fleet/blob-cache.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { pruneCache } from "#gpu-runner/fleet/prune-cache.ts"
import { Channel, type ModelVersion } from "#shared/domain/Model.ts"
import type { NamedAdapter, ServedModels } from "./served-models.ts"

export interface ChannelSource {
  readonly gateway: GatewayAddress
  /** The model in the registry. */
  readonly name: string
  /** Where fetched adapters are kept. */
  readonly directory: string
  /** The base. */
  readonly model: Pick<ModelFolder, "config" | "weightsDigest">
}

/** Where a channel points; nothing of it for one that points nowhere. */
export interface ChannelReading {
  /** NAME@CHANNEL */
  readonly name: string
  readonly found?: { readonly version: number; readonly digest: string; readonly adapter: NamedAdapter } | undefined
  /** It could not be fetched or read. */
  readonly failure?: Error | undefined
}

/** A version that is no adapter. */
export class NotAnAdapter extends taggedError("NotAnAdapter") {}

const FILES = ["adapter_config.json", "adapter_model.safetensors"]
const CACHE_BYTES = 8 * 2 ** 30

/** Reads all channels; one that points at the version of `known` is left out. Errors: CallRefused, GatewayUnavailable. */
export async function readChannels(
  source: ChannelSource,
  known: (name: string) => string | undefined,
  signal?: AbortSignal,
): Promise<readonly ChannelReading[]> {
  const { versions, channels } = await Effect.runPromise(history(source), { signal })
  const readings: ChannelReading[] = []
  for (const channel of Channel.literals) {
    const name = `${source.name}@${channel}`
    const pointer = channels.find((other) => other.channel === channel)
    const version = versions.find((other) => other.version === pointer?.version)
    if (version !== undefined && version.digest === known(name)) continue
    readings.push(version === undefined ? { name } : await readingOf(source, name, version, signal))
  }
  return readings
}

const history = ({ gateway, name }: ChannelSource) =>
  makeApiClient(gateway).pipe(
    Effect.flatMap((client) => client.models.get({ params: { name } })),
    Effect.mapError(toCallFailure),
    Effect.provide(FetchHttpClient.layer),
  )

async function readingOf(
  source: ChannelSource,
  name: string,
  { version, kind, digest, files }: ModelVersion,
  signal: AbortSignal | undefined,
): Promise<ChannelReading> {
  try {
    if (kind !== "adapter") {
      throw new NotAnAdapter(
        `version ${version} is a whole model (${kind}), and only adapters are swapped; fetch it and serve its folder by itself`,
      )
    }
    const wanted = Object.fromEntries(Object.entries(files).filter(([file]) => FILES.includes(file)))
    const fetched = cachedFolder({ directory: source.directory }, wanted)
    const folder = await Effect.runPromise(Effect.provide(fetched, layerHttp(source.gateway)), { signal })
    const adapter = { name, ...readAdapterFolder(folder, source.model) }
    return { name, found: { version, digest, adapter } }
  } catch (failure) {
    return { name, failure: failure as Error }
  }
}

/** What is served of the channels. */
export class ChannelFollower {
  readonly #source: ChannelSource
  readonly #say: (line: string) => void
  /** Digests of versions, by name. */
  readonly #served = new Map<string, string>()
  /** The newest trouble, by name: told once. */
  readonly #troubles = new Map<string, string>()

  constructor(source: ChannelSource, say: (line: string) => void) {
    this.#source = source
    this.#say = say
  }

  /** What has changed since what is served. Errors: CallRefused, GatewayUnavailable. */
  read(signal?: AbortSignal): Promise<readonly ChannelReading[]> {
    return readChannels(this.#source, (name) => this.#served.get(name), signal)
  }

  /** Serves what was read. */
  apply(models: ServedModels, readings: readonly ChannelReading[]): void {
    for (const reading of readings) {
      const { name, found } = reading
      let { failure } = reading
      try {
        if (found) models.put(found.adapter)
      } catch (error) {
        failure = error as Error
      }
      if (failure) this.#trouble(name, `${name} stays as it is: ${failure.message}`)
      else this.#changed(models, name, found)
    }
  }

  #changed(models: ServedModels, name: string, found: ChannelReading["found"]): void {
    this.#troubles.delete(name)
    if (found) {
      this.#served.set(name, found.digest)
      this.#say(`${name} is version ${found.version} from now on`)
    } else if (this.#served.delete(name)) {
      models.drop(name)
      this.#say(`${name} points at nothing any more and is not served`)
    }
  }

  /** Reads and serves, again and again, until it is told to end. */
  async follow(models: ServedModels, everyMs: number, signal: AbortSignal): Promise<void> {
    const { directory, gateway } = this.#source
    while (!signal.aborted) {
      await pause(everyMs, signal)
      if (signal.aborted) return
      try {
        this.apply(models, await this.read(signal))
        this.#troubles.delete("")
        pruneCache(directory, CACHE_BYTES)
      } catch (error) {
        if (signal.aborted) return
        this.#trouble(
          "",
          `${gateway.url} cannot be asked for channels: ${(error as Error).message}; what is served stays`,
        )
      }
    }
  }

  #trouble(name: string, line: string): void {
    if (this.#troubles.get(name) !== line) this.#say(line)
    this.#troubles.set(name, line)
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener("abort", end)
  })
}
