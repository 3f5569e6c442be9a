// Registered models: bases and the adapters trained on them. A version is immutable; channels point at versions.
import { Schema } from "effect"
import { TimeMs, Version } from "./bounds.ts"
import { Files } from "./Files.ts"

export const Channel = Schema.Literals(["candidate", "production"])
export type Channel = typeof Channel.Type

export const ModelVersion = Schema.Struct({
  name: Schema.String,
  version: Version,
  kind: Schema.Literals(["base", "adapter"]),
  /** SHA-256 of the canonical JSON of `files`. */
  digest: Schema.String,
  files: Files,
  base: Schema.optionalKey(Schema.Struct({ name: Schema.String, version: Version })),
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

/** Files a base model must have before a dataset may use it as its reference. */
export const BASE_MODEL_FILES = [
  "config.json",
  "model.safetensors",
  "model.onnx",
  "tokenizer.json",
  "tokenizer_config.json",
] as const
