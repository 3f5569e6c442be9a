// `yohaku model`: pull fetches a model from the hub (the only command that does; all others read folders), list tells what was pulled, push
// registers a folder with a gateway.
import { Effect, Schema } from "effect"
import { CallRefused, OnAway } from "#gpu-runner/client/call-failure.ts"
import { type Push, type PushProgress, type PushReport, pushModel } from "#gpu-runner/client/push-model.ts"
import { hubAccess, isRepositoryName } from "#gpu-runner/data/hub/hub-client.ts"
import { modelDirectory, pulledModels } from "#gpu-runner/data/hub/model-cache.ts"
import { pullModel } from "#gpu-runner/data/hub/pull-model.ts"
import { byteSize, duration } from "#gpu-runner/trainer/quantities.ts"
import { MODEL_NAME_MEND, ModelName } from "#shared/domain/Dataset.ts"
import { firstFew } from "#shared/domain/first-few.ts"
import { awayNotes } from "../away-notes.ts"
import { CommandFailed, defineCommand, type Terminal, UsageError } from "../command.ts"
import { gatewayKey, gatewayUrl, withKey } from "../gateway-access.ts"
import { interruptible } from "../interruptible.ts"
import { positiveIntegerOf, text } from "../options.ts"
import { checkOutFolder } from "../out-folder.ts"
import { createProgress } from "../progress.ts"
import { pushAccount } from "../push-account.ts"

const DEFAULT_PARALLEL = "4"
/** Exit code of what Ctrl-C ended. */
const INTERRUPTED = 130

interface PullOptions {
  readonly revision: string | undefined
  readonly out: string | undefined
  readonly include: string | undefined
}

interface PushOptions {
  readonly url: string | undefined
  readonly name: string | undefined
  readonly model: string | undefined
  readonly "from-hub": string | undefined
  readonly parallel: string | undefined
}

export const command = defineCommand({
  name: "model",
  summary: "Fetches a model from the hub into a folder, lists the fetched ones, or registers a folder with a gateway.",
  details:
    "yohaku model pull owner/name   fetches configuration, tokenizer, chat template, licence and safetensors; goes on where an earlier\n" +
    "                               pull stopped, checks every file's digest, and fetches nothing that is already there\n" +
    "yohaku model list              what was pulled, and where it is\n" +
    "yohaku model push              registers --model DIR under --name with the gateway at --url: sends its files in parts, --parallel of\n" +
    "                               them side by side, goes on where an earlier push stopped, and sends nothing that is stored there;\n" +
    "                               writes the edge's model.onnx where the folder has none and the model fits there;\n" +
    "                               with --from-hub only documents are sent, and runners fetch the weights, by the digests of today\n\n" +
    "Afterwards every command takes --model owner/name, or the folder. Environment: HF_TOKEN for private and gated models, HF_ENDPOINT for\n" +
    "another hub, XDG_CACHE_HOME for another cache; for push YOHAKU_TOKEN, an API key with the scope `train`.",
  words: ["action", "repository"],
  options: {
    revision: text("NAME", "branch, tag or commit (main)"),
    out: text("DIR", "where to write (the cache, ~/.cache/yohaku/models)"),
    include: text("GLOBS", "further files, as globs separated by commas"),
    url: text("URL", "push: the gateway's address"),
    name: text("NAME", "push: the model's name there"),
    model: text("DIR", "push: a Hugging Face model folder, or the owner/name of a pulled one"),
    "from-hub": text(
      "OWNER/NAME@REV",
      "push, in place of --model: by digests only; runners fetch the weights from the hub",
    ),
    parallel: text("N", `push: parts sent at a time (${DEFAULT_PARALLEL})`),
  },
  run: async (values, terminal) => {
    const { action, repository } = values as { readonly action?: string; readonly repository?: string }
    if (action === "list" && repository === undefined) list(terminal)
    else if (action === "pull" && repository !== undefined) await pull(repository, values, terminal)
    else if (action === "push" && repository === undefined) await push(values, terminal)
    else throw new UsageError("say `yohaku model pull owner/name`, `yohaku model list` or `yohaku model push`")
  },
})

async function pull(repository: string, { revision, out, include }: PullOptions, terminal: Terminal): Promise<void> {
  if (!isRepositoryName(repository)) throw new UsageError(`${repository} is no owner/name of a model on a hub`)
  if (out !== undefined) checkOutFolder(out)
  const progress = createProgress()
  const startedMs = performance.now()
  const pulled = await pullModel({
    access: hubAccess(process.env),
    repository,
    revision,
    out,
    include: include?.split(",").filter((glob) => glob !== ""),
    onProgress: ({ file, doneBytes, totalBytes }) => {
      const rate = doneBytes / ((performance.now() - startedMs) / 1000)
      const text = `${file}: ${byteSize(doneBytes)} of ${byteSize(totalBytes)}, ${byteSize(rate)}/s`
      progress.show(text, doneBytes === totalBytes)
    },
  })
  const { directory, commit, files, fetched, fetchedBytes } = pulled
  const what = fetched.length === 0 ? "already there" : `${fetched.length} files fetched, ${byteSize(fetchedBytes)}`
  terminal.answer(
    { repository, directory, commit, files, fetched, fetchedBytes },
    () => `${directory}: ${repository} at ${commit.slice(0, 12)}, ${what}`,
  )
}

function required(name: string, value: string | undefined): string {
  if (value === undefined)
    throw new UsageError(`--${name} is missing; yohaku model push needs --url, --name and --model or --from-hub`)
  return value
}

/** A model folder, or a model of a hub that is registered by digests only. */
function sourceOf({ model, "from-hub": fromHub }: PushOptions): Push["from"] {
  if (fromHub === undefined) return { directory: modelDirectory(required("model", model)) }
  if (model !== undefined) throw new UsageError("--model and --from-hub are two places; give one of them")
  const [repository = "", revision = "main", ...more] = fromHub.split("@")
  if (!isRepositoryName(repository) || revision === "" || more.length > 0)
    throw new UsageError(`--from-hub ${fromHub}: give owner/name, or owner/name@revision`)
  return { access: hubAccess(process.env), repository, revision }
}

async function push(options: PushOptions, terminal: Terminal): Promise<void> {
  const url = gatewayUrl(required("url", options.url))
  const name = required("name", options.name)
  if (!Schema.is(ModelName)(name)) throw new UsageError(`--name ${name}: ${MODEL_NAME_MEND}`)
  const from = sourceOf(options)
  const parallel = positiveIntegerOf("parallel", options.parallel ?? DEFAULT_PARALLEL, 64)
  const token = gatewayKey("YOHAKU_TOKEN", "train")
  const progress = createProgress()
  const show = pushView(progress.show)
  const account = pushAccount()
  const work = pushModel({
    ...{ url, token, name, from, parallel },
    onProgress: (event) => {
      account.note(event)
      show(event)
    },
  }).pipe(Effect.provideService(OnAway, awayNotes(url, progress.note)))
  const report = await interruptible(
    () => progress.clear(),
    async (signal) => {
      try {
        return await withKey("YOHAKU_TOKEN", "train", Effect.runPromise(work, { signal }))
      } catch (error) {
        progress.clear()
        const left = account.unfinished(error instanceof CallRefused)
        if (signal.aborted) throw new CommandFailed(`stopped: ${left ?? "nothing was sent yet"}`, INTERRUPTED)
        if (left !== undefined) terminal.tell(left)
        throw error
      }
    },
  )
  terminal.answer(report, () => `${account.finished(report)}${asides(report)}`)
}

/** What a push that ended has to say beside what it sent. */
function asides({ source, areWeightsChecked, leftOut = [] }: PushReport): string {
  const checked = areWeightsChecked
    ? "by their headers they are of the configuration"
    : "the hub answers no ranges, so its weights were not checked: the first runner that loads them does"
  const ofHub = source
    ? `; of ${source.repository} at ${source.commit.slice(0, 12)}: the weights stay on the hub, and runners fetch them from there; ${checked}`
    : ""
  if (leftOut.length === 0) return ofHub
  return `${ofHub}; left out, because the model is not read from it: ${firstFew(leftOut)}`
}

/** The line that a push shows: how far, how fast, how long yet. What was there before counts as done, and not for the rate. */
function pushView(show: (text: string, isLast: boolean) => void): (event: PushProgress) => void {
  let startedMs: number | undefined
  return (event) => {
    if (event._tag === "Digesting") {
      show(`reading ${event.file}: ${byteSize(event.bytes)} of ${byteSize(event.totalBytes)}`, false)
      return
    }
    if (event._tag !== "Sending") return
    const { file, doneBytes, totalBytes, sentBytes } = event
    startedMs ??= performance.now()
    const rate = sentBytes / Math.max(1e-3, (performance.now() - startedMs) / 1000)
    const left = sentBytes === 0 ? "" : `, ${byteSize(rate)}/s, ${duration((totalBytes - doneBytes) / rate)} left`
    show(`${file}: ${byteSize(doneBytes)} of ${byteSize(totalBytes)}${left}`, doneBytes === totalBytes)
  }
}

function list(terminal: Terminal): void {
  const models = pulledModels()
  const lines = models.map(({ repository, revision, commit, directory, sizeBytes, isComplete }) => {
    const state = isComplete ? byteSize(sizeBytes) : "only in part: pull again"
    return `${repository}  ${revision} at ${commit.slice(0, 12)}  ${state}  ${directory}`
  })
  const none = "no models were pulled; fetch one with: yohaku model pull owner/name"
  terminal.answer(models, () => (lines.length === 0 ? none : lines.join("\n")))
}
