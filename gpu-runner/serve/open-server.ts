// A model served over HTTP: the address first, so that a port that is taken is told at once, then the model, then answers until it is drained.
import type { Server } from "node:http"
import type { AddressInfo } from "node:net"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { type LiveGeneratorOptions, openLiveGenerator } from "#gpu-runner/generation/open-live-generator.ts"
import type { GenerationPlan } from "#gpu-runner/generation/plan.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import type { ChatTemplateOptions } from "#shared/tokenisation/tokenisation.ts"
import { accessCheck } from "./access.ts"
import type { ServedBase } from "./completion.ts"
import type { OnServerFailure } from "./completion-response.ts"
import { createHttpServer } from "./http-server.ts"
import { Scheduler, type SchedulerOptions, type ServedRequest } from "./scheduler.ts"
import { type NamedAdapter, ServedModels } from "./served-models.ts"
import { TokenTexts } from "./token-texts.ts"

/** The address cannot be listened on. */
export class AddressUnusable extends taggedError("AddressUnusable") {}

export interface ServerOptions
  extends Pick<LiveGeneratorOptions, "baseWeights" | "maxLength" | "batch" | "kernels" | "onPlanned" | "onUploaded">,
    Pick<SchedulerOptions, "mostWaiting" | "onPass"> {
  readonly model: ModelFolder
  /** The base's name. */
  readonly name: string
  readonly adapters: readonly NamedAdapter[]
  /** Memory is set aside for these too: a swap holds the old adapter beside the new one. */
  readonly spare?: readonly Adapter[] | undefined
  readonly chatTemplateOptions?: ChatTemplateOptions | undefined
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
  /** Undefined: everybody may ask. */
  readonly apiKey: string | undefined
  /** Failures that are no client's. */
  readonly onServerFailure: OnServerFailure
}

export interface ModelServer {
  readonly url: string
  readonly plan: GenerationPlan
  readonly models: ServedModels
  readonly scheduler: Scheduler
  /** Resolves if the device fails; every request has been told then. */
  readonly broken: Promise<Error>
  /** Takes nothing any more, waits at most so long for what is under way, and gives everything back. */
  readonly close: (drainMs: number) => Promise<void>
}

/** Errors: AddressUnusable; GenerationTooLarge, AdapterTooLarge and others of uploading. Nothing is left open then. */
export async function openServer(gpu: GpuDevice, options: ServerOptions): Promise<ModelServer> {
  const { model, name, adapters, host, port, apiKey, onServerFailure } = options
  let base: ServedBase | undefined
  const server = createHttpServer({ base: () => base, checkAccess: accessCheck({ apiKey, host }), onServerFailure })
  await listening(server, host, port)
  const stopListening = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  try {
    const fingerprint = await baseFingerprint(model, options.baseWeights ?? "stored")
    const generator = openLiveGenerator<ServedRequest>(gpu, {
      ...options,
      source: model,
      adapters: [...adapters.map(({ adapter }) => adapter), ...(options.spare ?? [])],
    })
    try {
      const models = new ServedModels(generator, { name, fingerprint })
      for (const adapter of adapters) models.put(adapter)
      const { promise: broken, resolve: onBroken } = Promise.withResolvers<Error>()
      const scheduler = new Scheduler(generator, { ...options, onBroken })
      const { maxLength, chatTemplateOptions } = options
      const tokenTexts = new TokenTexts(model.tokenisation)
      base = { model, models, scheduler, tokenTexts, maxLength, chatTemplateOptions }
      const close = async (drainMs: number) => {
        await scheduler.drain(drainMs)
        await finishedResponses(server)
        await stopListening()
        // A device that failed has nothing to give back, and says so at every call.
        if (!scheduler.isBroken) generator.close()
      }
      return { url: urlOf(server, host), plan: generator.plan, models, scheduler, broken, close }
    } catch (error) {
      generator.close()
      throw error
    }
  } catch (error) {
    await stopListening()
    throw error
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const mend = error.code === "EADDRINUSE" ? "another process listens there; give another --port" : error.message
      reject(new AddressUnusable(`${host}:${port} cannot be served at: ${mend}`, { cause: error }))
    })
    server.listen({ host, port }, resolve)
  })
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`
}

/** What was answered is on its way: connections that only wait are closed, the others get a moment. */
async function finishedResponses(server: Server): Promise<void> {
  const LEAST_MS = 20
  const MOST_MS = 1000
  server.closeIdleConnections()
  for (let waitedMs = 0; waitedMs < MOST_MS; waitedMs += LEAST_MS) {
    const open = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count ?? 0)))
    if (open === 0) return
    await new Promise((resolve) => setTimeout(resolve, LEAST_MS))
    server.closeIdleConnections()
  }
}
