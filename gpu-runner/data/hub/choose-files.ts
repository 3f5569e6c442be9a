// Which files of a repository make a model folder: configuration, tokenizer, chat templates, licence, and weights in
// safetensors. Weights that only exist as pickles (.bin, .pth) are refused, since reading those runs code.

import { matchesGlob } from "node:path"
import { WEIGHTS, WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"
import { UnusableRepository } from "./errors.ts"
import type { HubFile } from "./hub-client.ts"

const COMPANIONS = [
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/,
  /^merges\.txt$/,
  /^tokenizer\.model$/,
  /^chat_template\.(jinja|json)$/,
  /^additional_chat_templates\/[^/]+\.jinja$/,
  /^(README\.md|LICEN[CS]E[^/]*|NOTICE[^/]*|USE_POLICY\.md)$/i,
]
const NEEDED = ["config.json", "tokenizer.json", "tokenizer_config.json"]

/** What is fetched first; `weights` names the weight file, or the index among the first that names them. */
export interface ChosenFiles {
  readonly companions: readonly HubFile[]
  readonly weights:
    | { readonly kind: "single"; readonly file: HubFile }
    | { readonly kind: "sharded"; readonly index: HubFile }
}

/** Chooses by name, and whatever an `include` pattern (a glob) names besides. Errors: UnusableRepository. */
export function chooseFiles(repository: string, files: readonly HubFile[], include: readonly string[]): ChosenFiles {
  const named = (name: string) => files.find(({ path }) => path === name)
  const single = named(WEIGHTS)
  const index = named(WEIGHTS_INDEX)
  if (!single && !index) throw new UnusableRepository(repository, missingWeights(files))
  const missing = NEEDED.filter((name) => !named(name))
  if (missing.length > 0) {
    throw new UnusableRepository(
      repository,
      `has no ${missing.join(" and no ")}; use a repository of a transformers model with a fast tokenizer`,
    )
  }
  const isWanted = (path: string) =>
    COMPANIONS.some((pattern) => pattern.test(path)) || include.some((pattern) => matchesGlob(path, pattern))
  const companions = files.filter(({ path }) => isWanted(path) && path !== WEIGHTS && path !== WEIGHTS_INDEX)
  if (single) return { companions, weights: { kind: "single", file: single } }
  return { companions: [...companions, index!], weights: { kind: "sharded", index: index! } }
}

function missingWeights(files: readonly HubFile[]): string {
  const ending = (suffix: string) => files.find(({ path }) => path.endsWith(suffix))?.path
  const pickle = ending(".bin") ?? ending(".pth") ?? ending(".pt")
  const convert =
    "the hub's converter (space safetensors/convert) opens a pull request with safetensors, which --revision refs/pr/N fetches"
  if (pickle) return `has its weights only as ${pickle}, which is a pickle and is not read here; ${convert}`
  const other = ending("adapter_model.safetensors") ?? ending(".gguf") ?? ending(".safetensors")
  if (other)
    return `has ${other}, but neither ${WEIGHTS} nor ${WEIGHTS_INDEX}; pull the base model in transformers' layout`
  return `has no weights (neither ${WEIGHTS} nor ${WEIGHTS_INDEX}); check the name and --revision`
}

/** The listed files of an index's shards. Errors: UnusableRepository. */
export function chooseShards(repository: string, files: readonly HubFile[], shardNames: readonly string[]): HubFile[] {
  return shardNames.map((name) => {
    const file = files.find(({ path }) => path === name)
    if (!file)
      throw new UnusableRepository(
        repository,
        `names ${name} in ${WEIGHTS_INDEX}, but does not hold it; use another revision`,
      )
    return file
  })
}
