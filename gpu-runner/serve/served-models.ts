// Which models are served under which names: the base, and adapters of it, each of which can be swapped while answers under the old one go on.
import type { LiveGenerator } from "#gpu-runner/generation/open-live-generator.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { ApiError } from "./api-error.ts"
import type { ServedRequest } from "./scheduler.ts"

export interface NamedAdapter {
  readonly name: string
  readonly adapter: Adapter
  /** Of its files. */
  readonly digest: string
}

/** A model as requests hold it. */
export interface HeldModel {
  readonly name: string
  /** Undefined for the base. */
  readonly voice: number | undefined
  /** Names weights, tokenizer, template and adapter. */
  readonly fingerprint: string
  /** The request is over. */
  readonly giveBack: () => void
}

export interface ListedModel {
  readonly name: string
  /** Seconds since 1970. */
  readonly since: number
  /** Of an adapter. */
  readonly base: string | undefined
}

interface Held {
  readonly voice: number
  readonly digest: string
  readonly since: number
  requests: number
  /** Another has its name, or nobody; it goes with its last request. */
  isRetired: boolean
}

const SHOWN_DIGITS = 12

export class ServedModels {
  readonly #generator: Pick<LiveGenerator<ServedRequest>, "hold" | "release">
  readonly #base: { readonly name: string; readonly fingerprint: string; readonly since: number }
  readonly #adapters = new Map<string, Held>()

  constructor(
    generator: Pick<LiveGenerator<ServedRequest>, "hold" | "release">,
    base: { readonly name: string; readonly fingerprint: string },
  ) {
    this.#generator = generator
    this.#base = { ...base, since: now() }
  }

  /** The base first. */
  get listed(): readonly ListedModel[] {
    const { name, since } = this.#base
    const adapters = [...this.#adapters].map(([of, held]) => ({ name: of, since: held.since, base: name }))
    return [{ name, since, base: undefined }, ...adapters]
  }

  digestOf(name: string): string | undefined {
    return this.#adapters.get(name)?.digest
  }

  /** Serves an adapter under its name from now on; requests under way keep the one that they began with. Errors: AdapterTooLarge, TensorTooLarge. */
  put({ name, adapter, digest }: NamedAdapter): void {
    const old = this.#adapters.get(name)
    if (old?.digest === digest) return
    const voice = this.#generator.hold(adapter)
    this.#adapters.set(name, { voice, digest, since: now(), requests: 0, isRetired: false })
    if (old) this.#retire(old)
  }

  /** Serves nothing under this name any more. */
  drop(name: string): void {
    const old = this.#adapters.get(name)
    this.#adapters.delete(name)
    if (old) this.#retire(old)
  }

  /** The model for a request. Errors: ApiError. */
  take(name: string): HeldModel {
    const base = this.#base
    if (name === base.name) {
      return { name, voice: undefined, fingerprint: fingerprintOf(base.fingerprint), giveBack: () => undefined }
    }
    const held = this.#adapters.get(name)
    if (!held) {
      const names = this.listed.map((model) => model.name).join(", ")
      throw new ApiError("model_not_found", `no model ${JSON.stringify(name)} is served here; there are ${names}`, {
        param: "model",
      })
    }
    held.requests += 1
    let isHeld = true
    const giveBack = () => {
      if (!isHeld) return
      isHeld = false
      held.requests -= 1
      this.#releaseUnused(held)
    }
    return { name, voice: held.voice, fingerprint: fingerprintOf(base.fingerprint, held.digest), giveBack }
  }

  #retire(held: Held): void {
    held.isRetired = true
    this.#releaseUnused(held)
  }

  #releaseUnused({ voice, requests, isRetired }: Held): void {
    if (isRetired && requests === 0) this.#generator.release(voice)
  }
}

function fingerprintOf(base: string, adapter?: string): string {
  const digests = adapter === undefined ? [base] : [base, adapter]
  return ["yohaku", ...digests.map((digest) => digest.slice(0, SHOWN_DIGITS))].join("-")
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
