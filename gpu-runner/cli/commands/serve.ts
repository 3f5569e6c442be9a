// `yohaku serve`: a model and its adapters over OpenAI's HTTP shapes, on this machine.
import { readFileSync } from "node:fs"
import path from "node:path"
import { CallRefused } from "#gpu-runner/client/call-failure.ts"
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { progressInWords } from "#gpu-runner/fleet/fetch-progress.ts"
import { USUAL_BATCH } from "#gpu-runner/generation/plan.ts"
import { isLoopback } from "#gpu-runner/serve/access.ts"
import { ChannelFollower } from "#gpu-runner/serve/follow-channels.ts"
import { type ModelServer, openServer, type ServerOptions } from "#gpu-runner/serve/open-server.ts"
import { BaseUnknown, registeredBase } from "#gpu-runner/serve/registered-base.ts"
import { lockState, StateInUse } from "#infra/local/state-lock.ts"
import { CommandFailed, defineCommand, type OptionValues, type Terminal, UsageError } from "../command.ts"
import { gatewayKey, gatewayUrl, withKey } from "../gateway-access.ts"
import { describeGenerationPlan } from "../generation-plan.ts"
import { interruptible } from "../interruptible.ts"
import { baseWeightsOf, baseWeightsOption, flag, portOf, positiveIntegerOf, text, texts } from "../options.ts"
import { createProgress } from "../progress.ts"
import { templateOptions } from "../scoring-inputs.ts"
import { withDevice } from "../with-device.ts"

const USUAL_LENGTH = 4096
const USUAL_WAITING = 256
const USUAL_DRAIN_SECONDS = 30
const FOLLOW_EVERY_MS = 10_000
const MOST_AT_ONCE = 1024
const MOST_WAITING = 1_000_000
const KEY_VARIABLE = "YOHAKU_SERVE_KEY"

const options = {
  model: text(
    "DIR",
    "a Hugging Face model folder, or the owner/name of a pulled one; with --url the base in the registry by default",
  ),
  adapter: texts("NAME=DIR", "a PEFT adapter, served under this name; may be given several times"),
  url: text("URL", "a gateway whose channels of --name are followed"),
  name: text("MODEL", "with --url: served as MODEL@production and MODEL@candidate"),
  directory: text("DIR", "with --url: where fetched adapters and bases are kept (.yohaku/serve)"),
  port: text("N", "the port (8000)"),
  host: text("HOST", "the address to listen on (127.0.0.1)"),
  "api-key-file": text("FILE", `a file with the key that clients must send; or the variable ${KEY_VARIABLE}`),
  "without-key": flag("lets whoever reaches another --host than this machine's ask without a key"),
  "max-length": text("TOKENS", `most tokens of a prompt with its answer (${USUAL_LENGTH}, or the model's limit)`),
  batch: text("COUNT", `most answers at once (${USUAL_BATCH}, or as many as memory holds)`),
  queue: text("COUNT", `most answers that wait; others are refused with 429 (${USUAL_WAITING})`),
  "drain-seconds": text("N", `how long answers under way may go on after SIGTERM (${USUAL_DRAIN_SECONDS})`),
  "base-weights": baseWeightsOption,
  "template-options": text("JSON", "variables of the chat template, such as '{\"enable_thinking\": false}'"),
} as const

type Values = OptionValues<typeof options>

export const command = defineCommand({
  name: "serve",
  summary: "Serves a model and adapters of it over OpenAI's HTTP shapes.",
  details:
    "POST /v1/chat/completions and /v1/completions, streamed or whole, GET /v1/models and /health. The base is named as its folder; a request\n" +
    "chooses an adapter by its name, and requests under all names are computed in one batch. It is for trying, judging and comparing on a\n" +
    "machine of your own, not a public service. With --url the key comes from YOHAKU_TOKEN: an API key with the scope `read`. The first\n" +
    "Ctrl-C or SIGTERM takes no new requests and lets those under way end; the second ends the process.",
  options,
  run: async (values, terminal) => {
    const { "drain-seconds": written } = values
    const drainSeconds =
      written === undefined ? USUAL_DRAIN_SECONDS : positiveIntegerOf("drain-seconds", written, 86_400)
    const { serverOptions, followed } = await servingOf(values, terminal)
    await withDevice((gpu) =>
      interruptible(
        () => terminal.tell(`ending: no new requests; those under way have ${drainSeconds} s`),
        async (signal) => {
          const server = await openServer(gpu, serverOptions)
          followed?.follower.apply(server.models, followed.readings)
          tellWhere(server, serverOptions, terminal)
          void followed?.follower.follow(server.models, FOLLOW_EVERY_MS, signal)
          const broken = await Promise.race([server.broken, aborted(signal)])
          await server.close(broken ? 0 : 1000 * drainSeconds)
          if (!broken) return
          throw new CommandFailed(`the device failed, and every answer with it: ${broken.message}; start it again`, 1)
        },
      ),
    )
  },
})

/** All that is told, and all that is read before a device is opened. Errors: UsageError, those of the folders' readers and of firstReading. */
async function servingOf(values: Values, terminal: Terminal) {
  const whole = (option: "batch" | "queue" | "max-length", usual: number, most: number) =>
    values[option] === undefined ? usual : positiveIntegerOf(option, values[option], most)
  const told = {
    ...addressOf(values),
    batch: whole("batch", USUAL_BATCH, MOST_AT_ONCE),
    mostWaiting: whole("queue", USUAL_WAITING, MOST_WAITING),
    baseWeights: baseWeightsOf(values["base-weights"]),
    chatTemplateOptions: templateOptions(values["template-options"]),
  }
  const registry = registryOf(values)
  const named = namedFolders(values.adapter)
  const locked = registry && lockedRegistry(registry)
  const { model, name } = await baseOf(values.model, locked, named, terminal)
  const { maxPositions } = model.config
  const maxLength = whole("max-length", Math.min(USUAL_LENGTH, maxPositions), maxPositions)
  if (maxLength < 2) throw new UsageError("--max-length 1: a prompt and its answer have at least 2 tokens")
  const local = named.map(({ name: of, directory }) => ({ name: of, ...readAdapterFolder(directory, model) }))
  const followed = locked && (await firstReading(locked, model, terminal))
  const fetched = (followed?.readings ?? []).flatMap(({ found }) => (found ? [found.adapter] : []))
  const serverOptions: ServerOptions = {
    ...{ ...told, model, name, maxLength },
    adapters: [...local, ...fetched],
    spare: fetched.map(({ adapter }) => adapter),
    onPlanned: (plan) => terminal.tell(describeGenerationPlan(plan)),
    onServerFailure: (failure) => terminal.tell(`a request failed: ${(failure as Error).stack ?? String(failure)}`),
  }
  return { serverOptions, followed }
}

function tellWhere({ url, plan, models }: ModelServer, { maxLength, mostWaiting }: ServerOptions, terminal: Terminal) {
  const names = models.listed.map(({ name }) => name)
  const { batch } = plan
  const many = `up to ${batch} answers at once, each of ${maxLength} tokens with its prompt; Ctrl-C ends it`
  terminal.answer(
    { url, models: names, batch, maxLength, queue: mostWaiting },
    () => `serving at ${url}/v1: ${names.join(", ")}\n${many}`,
  )
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener("abort", () => resolve(undefined), { once: true })
  })
}

/** Errors: UsageError. */
function addressOf(values: Values): {
  readonly host: string
  readonly port: number
  readonly apiKey: string | undefined
} {
  const { host = "127.0.0.1", "api-key-file": file } = values
  const apiKey = file === undefined ? process.env[KEY_VARIABLE] || undefined : keyIn(file)
  if (apiKey !== undefined && !/^[\x21-\x7e]{8,}$/.test(apiKey)) {
    const place = file === undefined ? KEY_VARIABLE : `--api-key-file ${file}`
    throw new UsageError(`${place} holds no key: put at least 8 letters, digits or signs there, without spaces`)
  }
  if (!isLoopback(host) && apiKey === undefined && !values["without-key"]) {
    throw new UsageError(
      `--host ${host} may be reached by others, and nobody would need a key; give one (--api-key-file), or say --without-key`,
    )
  }
  return { host, port: portOf(values.port ?? "8000"), apiKey }
}

function keyIn(file: string): string {
  try {
    return readFileSync(file, "utf8").trim()
  } catch (error) {
    throw new UsageError(`--api-key-file ${file} cannot be read: ${(error as Error).message}`)
  }
}

interface NamedFolder {
  readonly name: string
  readonly directory: string
}

/** Errors: UsageError. */
function namedFolders(written: readonly string[]): readonly NamedFolder[] {
  const named = written.map((given) => {
    const at = given.indexOf("=")
    if (at > 0 && at < given.length - 1) return { name: given.slice(0, at), directory: given.slice(at + 1) }
    throw new UsageError(`--adapter ${given}: give NAME=DIR, the name that requests choose it by`)
  })
  const names = named.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice === undefined) return named
  throw new UsageError(`--adapter ${twice}=… is given twice; give each adapter a name of its own`)
}

/** The folder that is told, or what the registry's adapters are of. Errors: UsageError, KeyRefused, those of the folder's reader and of fetching. */
async function baseOf(
  given: string | undefined,
  registry: RegistryAccess | undefined,
  adapters: readonly NamedFolder[],
  { tell }: Terminal,
): Promise<{ readonly model: ModelFolder; readonly name: string }> {
  if (given !== undefined) {
    const model = await readModelFolder(given)
    const { name, directory } = model
    return { model, name: freeName(name === directory ? path.basename(path.resolve(directory)) : name, adapters) }
  }
  if (registry === undefined) throw new UsageError("--model is missing; or say --url and --name, whose base is fetched")
  const { url, token, name, directory } = registry
  const progress = createProgress()
  const onFetched = progressInWords(({ message = "" }) => progress.note(message))
  try {
    const found = await withKey(
      "YOHAKU_TOKEN",
      "read",
      registeredBase({ gateway: { url, token }, name, directory }, onFetched),
    )
    tell(`the base is ${found.name}, as the gateway has it`)
    return { model: found.model, name: freeName(found.name, adapters) }
  } catch (error) {
    const isUnknown = error instanceof BaseUnknown || (error instanceof CallRefused && error.status === 404)
    throw isUnknown ? new UsageError(`--model is missing, and ${(error as Error).message}; give --model`) : error
  } finally {
    progress.clear()
  }
}

/** Errors: UsageError. */
function freeName(base: string, adapters: readonly NamedFolder[]): string {
  if (adapters.every((adapter) => adapter.name !== base)) return base
  throw new UsageError(`--adapter ${base}=… has the name of the base; give it another`)
}

interface RegistryAccess {
  readonly url: string
  readonly token: string
  readonly name: string
  readonly directory: string
}

/** Errors: UsageError. */
function registryOf({ url, name, directory }: Values): RegistryAccess | undefined {
  if (url === undefined) {
    if (name === undefined && directory === undefined) return undefined
    throw new UsageError(
      `--${name === undefined ? "directory" : "name"} belongs to --url, the gateway whose channels are followed`,
    )
  }
  if (name === undefined) throw new UsageError("--url needs --name, the model whose channels are followed")
  const access = { url: gatewayUrl(url), token: gatewayKey("YOHAKU_TOKEN", "read"), name }
  return { ...access, directory: path.resolve(directory ?? ".yohaku/serve") }
}

/** Errors: UsageError. */
function lockedRegistry(registry: RegistryAccess): RegistryAccess {
  const { directory } = registry
  try {
    lockState(directory, 0)
    return registry
  } catch (error) {
    if (!(error instanceof StateInUse)) throw error
    throw new UsageError(
      `process ${error.pid} serves with the directory ${directory}; give this one another --directory`,
    )
  }
}

/** What the channels point at now; a model that nobody has registered yet is waited for. Errors: KeyRefused, CallRefused, GatewayUnavailable. */
async function firstReading(registry: RegistryAccess, model: ModelFolder, { tell }: Terminal) {
  const { url, token, name, directory } = registry
  const follower = new ChannelFollower({ gateway: { url, token }, name, directory, model }, tell)
  try {
    return { follower, readings: await withKey("YOHAKU_TOKEN", "read", follower.read()) }
  } catch (error) {
    if (!(error instanceof CallRefused) || error.status !== 404) throw error
    tell(`the gateway has no model ${name} yet; its channels are served when they point at something`)
    return { follower, readings: [] }
  }
}
