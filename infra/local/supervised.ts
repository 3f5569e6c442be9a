// A service that is kept running: one that dies is started again, later each time, and given up when it dies too often in a row.
import { setTimeout as sleep } from "node:timers/promises"
import type { Service } from "./processes.ts"

export interface Definition {
  /** As it stands in sentences: "the runner", "the workers". */
  readonly title: string
  readonly start: () => Service
  /** Resolves when a started service works; rejects with why it does not. */
  readonly ready: (service: Service) => Promise<void>
  /** Resolves, with why, when a service works no longer whose process lives. Ends with the signal. */
  readonly failed?: (service: Service, signal: AbortSignal) => Promise<string>
}

export interface SupervisedOptions {
  readonly say: (line: string) => void
  /** Awaited before a restart; true where there was something to wait for, so that the deaths before it do not count. */
  readonly whenPossible?: (signal: AbortSignal) => Promise<boolean>
  /** The first wait before a restart; each further one is twice as long. */
  readonly firstWaitMs?: number
  /** Who ran as long has not died in a row. */
  readonly soundMs?: number
}

export const MOST_DEATHS_IN_A_ROW = 5
const FIRST_WAIT_MS = 1000
const SOUND_MS = 60_000

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export class Supervised {
  /** Resolves when the service is given up. */
  readonly givenUp: Promise<Error>
  readonly #definition: Definition
  readonly #options: SupervisedOptions
  readonly #stopping = new AbortController()
  #service: Service | undefined
  #giveUp: (error: Error) => void = () => undefined

  constructor(definition: Definition, options: SupervisedOptions) {
    this.#definition = definition
    this.#options = options
    this.givenUp = new Promise((resolve) => {
      this.#giveUp = resolve
    })
  }

  /** Resolves when the service works for the first time; rejects when it does not, or is stopped before. From then on it is kept running. */
  async start(): Promise<void> {
    const service = await this.#started()
    // What keeps it from being kept is told like its death: who waits for `givenUp` ends the other parts.
    this.#keep(service).catch((error: unknown) =>
      this.#giveUp(new Error(`${this.#definition.title}: ${messageOf(error)}`)),
    )
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#service?.stop()
  }

  async #started(): Promise<Service> {
    this.#stopping.signal.throwIfAborted()
    const service = this.#definition.start()
    this.#service = service
    await this.#definition.ready(service)
    return service
  }

  /** Why the service ended. */
  async #death(service: Service): Promise<string> {
    const looking = new AbortController()
    const { failed } = this.#definition
    const silence = failed?.(service, looking.signal).catch(() => new Promise<never>(() => undefined))
    try {
      return await Promise.race([service.exited, ...(silence === undefined ? [] : [silence])])
    } finally {
      looking.abort()
    }
  }

  async #keep(first: Service): Promise<void> {
    const { title } = this.#definition
    const { say, firstWaitMs = FIRST_WAIT_MS, soundMs = SOUND_MS } = this.#options
    let service: Service | undefined = first
    let reason = ""
    for (let deaths = 0; ; ) {
      const startedMs = performance.now()
      if (service !== undefined) reason = await this.#death(service)
      if (this.#stopping.signal.aborted) return
      deaths = performance.now() - startedMs > soundMs ? 1 : deaths + 1
      // What is left of it holds its files and its port.
      await this.#service?.stop()
      if (await this.#options.whenPossible?.(this.#stopping.signal)) deaths = 1
      if (this.#stopping.signal.aborted) return
      const log = this.#service === undefined ? "" : `; log: ${this.#service.logFile}`
      if (deaths > MOST_DEATHS_IN_A_ROW) {
        this.#giveUp(new Error(`${title} stopped ${deaths} times in a row, at last: ${reason}${log}`))
        return
      }
      const waitMs = firstWaitMs * 2 ** (deaths - 1)
      say(`${title} stopped (${reason}) and will be started again in ${waitMs / 1000} s${log}`)
      await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      if (this.#stopping.signal.aborted) return
      service = await this.#started().catch((error: unknown) => {
        reason = messageOf(error)
        return undefined
      })
      if (service !== undefined && !this.#stopping.signal.aborted) say(`${title} started again`)
    }
  }
}
