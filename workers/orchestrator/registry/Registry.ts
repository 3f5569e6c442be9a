// The registry of one model name: its versions and channels. It decides (compare-and-set, one version a digest, rollback by
// history); the tables `models` and `channels` of D1 are its projection, written after each change and again until they agree.
import { DurableObject } from "cloudflare:workers"
import type { Channel, ChannelPointer, ModelKind, ModelVersion } from "#shared/domain/Model.ts"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { RpcResult } from "#shared/wire/services.ts"
import type { ChannelMove, Environment, NewVersion, RegistryRpc } from "../Environment.ts"
import { refuse, succeed } from "../rpc-result.ts"
import { project } from "./projection.ts"
import { VersionStore } from "./VersionStore.ts"

const CHANNELS: readonly Channel[] = ["candidate", "production"]
const REPROJECT_MS = 2000

export class Registry extends DurableObject<Environment> implements RegistryRpc {
  readonly #store: VersionStore

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env)
    this.#store = new VersionStore(ctx.storage.sql)
  }

  /** Files that are registered already keep their version. */
  async register(input: NewVersion): Promise<RpcResult<ModelVersion>> {
    const digest = await sha256Hex(canonicalJson(input.files))
    const named = this.#mayBe(input.name, input.kind)
    if (!named.ok) return named
    const version = this.#store.byDigest(digest) ?? this.#store.add(input, digest)
    await this.#project(input.name)
    return succeed(version)
  }

  async mayBe(name: string, wanted: ModelKind): Promise<RpcResult<null>> {
    return this.#mayBe(name, wanted)
  }

  /** In one go with what is registered after it: of two kinds at the same time one has the name. */
  #mayBe(name: string, wanted: ModelKind): RpcResult<null> {
    const { kind = wanted } = this.#store.newest() ?? {}
    return (kind === "base") === (wanted === "base")
      ? succeed(null)
      : refuse("Conflict", `"${name}" is the name of a model of kind ${kind}; choose another name`)
  }

  async version(version: number): Promise<ModelVersion | null> {
    return this.#store.version(version) ?? null
  }

  async channels(name: string): Promise<readonly ChannelPointer[]> {
    return CHANNELS.flatMap((channel) => this.#store.pointer(name, channel) ?? [])
  }

  async move(name: string, { channel, version, expected, operation }: ChannelMove): Promise<RpcResult<ChannelPointer>> {
    const wanted = this.#store.version(version)
    if (wanted === undefined) return refuse("NotFound", `"${name}" has no version ${version}; list its versions`)
    if (wanted.kind === "base")
      return refuse(
        "Invalid",
        `"${name}" is a base model; channels point at what runs made: name an adapter or a fine-tuned model`,
      )
    const before = this.#store.pointer(name, channel)
    const isDone = operation !== undefined && this.#store.hasMoved(channel, operation)
    if (isDone && before !== undefined) return succeed(before)
    if (before?.version === version) {
      if (operation !== undefined) this.#store.note(channel, version, operation)
    } else {
      const current = before?.version ?? null
      if (expected !== undefined && expected !== current)
        return refuse(
          "Conflict",
          `${channel} of "${name}" points at ${current ?? "nothing"} and not at ${expected ?? "nothing"}; look again`,
        )
      this.#store.push(channel, version, operation)
    }
    await this.#project(name)
    return succeed(this.#store.pointer(name, channel)!)
  }

  /** Production goes back to what it served before; under an operation's name once. */
  async rollback(name: string, operation?: string): Promise<RpcResult<ChannelPointer>> {
    const current = this.#store.pointer(name, "production")
    if (current !== undefined && operation !== undefined && this.#store.hasMoved("production", operation))
      return succeed(current)
    if (current === undefined) return refuse("NotFound", `"${name}" has no production channel; promote a version first`)
    if (current.previousVersion === undefined)
      return refuse(
        "Conflict",
        `production of "${name}" has never served anything but version ${current.version}; move it to a version instead`,
      )
    this.#store.pop("production", current.previousVersion, operation)
    await this.#project(name)
    return succeed(this.#store.pointer(name, "production")!)
  }

  async #project(name: string): Promise<void> {
    try {
      await project(this.env.DB, this.#store.versions(), await this.channels(name))
    } catch (cause) {
      console.warn(`the registry of "${name}" could not write its projection: ${cause}`)
      await this.ctx.storage.setAlarm(Date.now() + REPROJECT_MS)
    }
  }

  override async alarm(): Promise<void> {
    const name = this.#store.newest()?.name
    if (name !== undefined) await this.#project(name)
  }
}
