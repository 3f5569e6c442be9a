// A model of a hub as it is registered without its weights: its documents are fetched, its weights are known by the digests that the hub lists.
import { readFileSync, statSync } from "node:fs"
import path from "node:path"
import { EDGE_GRAPH, type HubSource, otherWeights } from "#shared/domain/Model.ts"
import { shardNames } from "#shared/formats/weights/safetensors-index.ts"
import { chooseFiles, chooseShards } from "../hub/choose-files.ts"
import { UnusableRepository } from "../hub/errors.ts"
import { commitOf, filesOf, type HubAccess } from "../hub/hub-client.ts"
import { hubSource } from "../hub/hub-source.ts"
import { transferFile } from "../transfer.ts"
import { checkHubHeaders } from "./hub-headers.ts"
import { MODEL_DOCUMENTS, type ModelFile } from "./model-files.ts"

export interface HubModel {
  readonly source: HubSource
  /** In the folder that was given. */
  readonly documents: readonly ModelFile[]
  /** File name -> SHA-256, as the hub lists it. */
  readonly weights: Readonly<Record<string, string>>
  /** Weights of the repository from which the model is not read, and a graph of its own. */
  readonly leftOut: readonly string[]
  /** Whether their headers were held to the configuration: not where the hub answers no ranges. */
  readonly isChecked: boolean
}

/** Where the model is on a hub, runners compute the reference: a graph of the hub is not taken. */
const leftOutOf = (names: readonly string[], read: readonly string[]): string[] => [
  ...otherWeights(names, read),
  ...names.filter((name) => name === EDGE_GRAPH),
]

/**
 * Fetches the documents of a model at a revision into a folder, and looks at the headers of its weights where the hub answers ranges. Errors:
 * HubRefused, HubUnreachable, UnusableRepository, ChecksumMismatch, SizeMismatch, InvalidModel, InvalidSafetensors.
 */
export async function hubModel(access: HubAccess, repository: string, revision: string, to: string): Promise<HubModel> {
  const commit = await commitOf(access, repository, revision)
  const listed = await filesOf(access, repository, commit)
  const chosen = chooseFiles(repository, listed, [])
  const documents: ModelFile[] = []
  for (const file of chosen.companions.filter(({ path: name }) => MODEL_DOCUMENTS.includes(name))) {
    const target = path.join(to, file.path)
    await transferFile(file, target, {
      source: hubSource(access, { repository, commit, path: file.path, digest: file.digest }),
    })
    documents.push({ name: file.path, path: target, bytes: statSync(target).size })
  }
  const { weights } = chosen
  const files =
    weights.kind === "single"
      ? [weights.file]
      : chooseShards(repository, listed, shardNames(readFileSync(path.join(to, weights.index.path), "utf8")))
  const unnamed = files.find(({ algorithm }) => algorithm !== "sha256")
  if (unnamed !== undefined)
    throw new UnusableRepository(
      repository,
      `lists ${unnamed.path} without a SHA-256; pull the model and push its folder instead`,
    )
  const source = { repository, commit }
  const textOf = (name: string) => readFileSync(path.join(to, name), "utf8")
  const index = weights.kind === "single" ? undefined : textOf(weights.index.path)
  const isChecked = await checkHubHeaders({ access, source, files, config: textOf("config.json"), index })
  const read = files.map(({ path: name }) => name)
  const names = listed.map(({ path: name }) => name)
  return {
    source,
    documents,
    weights: Object.fromEntries(files.map(({ path: name, digest }) => [name, digest])),
    leftOut: leftOutOf(names, read),
    isChecked,
  }
}
