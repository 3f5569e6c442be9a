// `yohaku model pull owner/name` and `yohaku model list`: the only commands that fetch models; all others read folders.
import { hubAccess, isRepositoryName } from "#gpu-runner/data/hub/hub-client.ts"
import { pulledModels } from "#gpu-runner/data/hub/model-cache.ts"
import { pullModel } from "#gpu-runner/data/hub/pull-model.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import { defineCommand, type Terminal, UsageError } from "../command.ts"
import { text } from "../options.ts"
import { checkOutFolder } from "../out-folder.ts"
import { createProgress } from "../progress.ts"

interface PullOptions {
  readonly revision: string | undefined
  readonly out: string | undefined
  readonly include: string | undefined
}

export const command = defineCommand({
  name: "model",
  summary: "Fetches a model from the hub into a folder, or lists the fetched ones.",
  details:
    "yohaku model pull owner/name   fetches configuration, tokenizer, chat template, licence and safetensors; goes on where an earlier\n" +
    "                               pull stopped, checks every file's digest, and fetches nothing that is already there\n" +
    "yohaku model list              what was pulled, and where it is\n\n" +
    "Afterwards every command takes --model owner/name, or the folder. Environment: HF_TOKEN for private and gated models, HF_ENDPOINT for\n" +
    "another hub, XDG_CACHE_HOME for another cache.",
  words: ["action", "repository"],
  options: {
    revision: text("NAME", "branch, tag or commit (main)"),
    out: text("DIR", "where to write (the cache, ~/.cache/yohaku/models)"),
    include: text("GLOBS", "further files, as globs separated by commas"),
  },
  run: async (values, terminal) => {
    const { action, repository } = values as { readonly action?: string; readonly repository?: string }
    if (action === "list" && repository === undefined) list(terminal)
    else if (action === "pull" && repository !== undefined) await pull(repository, values, terminal)
    else throw new UsageError("say `yohaku model pull owner/name` or `yohaku model list`")
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

function list(terminal: Terminal): void {
  const models = pulledModels()
  const lines = models.map(({ repository, revision, commit, directory, sizeBytes, isComplete }) => {
    const state = isComplete ? byteSize(sizeBytes) : "only in part: pull again"
    return `${repository}  ${revision} at ${commit.slice(0, 12)}  ${state}  ${directory}`
  })
  const none = "no models were pulled; fetch one with: yohaku model pull owner/name"
  terminal.answer(models, () => (lines.length === 0 ? none : lines.join("\n")))
}
