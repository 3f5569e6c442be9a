// Registered models: bases and the adapters trained on them. A version is immutable; channels point at versions.
import { Schema } from "effect"
import { GRAPH_FILE } from "#shared/formats/onnx/graph-file.ts"
import { WEIGHTS, WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"
import { TimeMs, Version } from "./bounds.ts"
import { Files } from "./Files.ts"

export const Channel = Schema.Literals(["candidate", "production"])
export type Channel = typeof Channel.Type

/** A model at a commit of a hub, from which runners fetch its weights. */
export const HubSource = Schema.Struct({
  /** owner/name */
  repository: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/u)),
  commit: Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/u)),
}).annotate({ identifier: "HubSource" })
export type HubSource = typeof HubSource.Type

/** Whether a file of this name holds weights: what a model that has a source need not store. */
export const isWeights = (name: string): boolean => name.endsWith(".safetensors")

/** Of a model's files those that hold weights, but not the ones from which it is read: of another layout, or of something else. */
export const otherWeights = (names: readonly string[], read: readonly string[]): string[] =>
  names.filter((name) => isWeights(name) && !read.includes(name))

/** `finetune` is a whole model that a full fine-tune of a base made. Versions of one name are bases, or what runs made. */
export const ModelKind = Schema.Literals(["base", "adapter", "finetune"])
export type ModelKind = typeof ModelKind.Type

export const ModelVersion = Schema.Struct({
  name: Schema.String,
  version: Version,
  kind: ModelKind,
  /** SHA-256 of the canonical JSON of `files`. */
  digest: Schema.String,
  files: Files,
  base: Schema.optionalKey(Schema.Struct({ name: Schema.String, version: Version })),
  /** Of a base model whose weights nobody uploaded. */
  source: Schema.optionalKey(HubSource),
  runId: Schema.optionalKey(Schema.String),
  metrics: Schema.Record(Schema.String, Schema.Unknown),
  createdAt: TimeMs,
}).annotate({ identifier: "ModelVersion" })
export type ModelVersion = typeof ModelVersion.Type

export const ChannelPointer = Schema.Struct({
  name: Schema.String,
  channel: Channel,
  version: Version,
  previousVersion: Schema.optionalKey(Version),
  movedAt: TimeMs,
}).annotate({ identifier: "ChannelPointer" })
export type ChannelPointer = typeof ChannelPointer.Type

const DOCUMENTS = ["config.json", "tokenizer.json", "tokenizer_config.json"]

/** What a base model lacks of a model folder, by name: without it nobody could train on it. Weights may be one file, or shards with an index. */
export const missingOfModel = (files: Files): string[] => [
  ...DOCUMENTS.filter((name) => !Object.hasOwn(files, name)),
  ...(Object.hasOwn(files, WEIGHTS) || Object.hasOwn(files, WEIGHTS_INDEX) ? [] : [WEIGHTS]),
]

/** The graph by which the edge computes a reference; runners compute that of a model without one. */
export const EDGE_GRAPH = GRAPH_FILE
