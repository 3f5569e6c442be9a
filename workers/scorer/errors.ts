// What can go wrong in the scorer. Transient ones are retried with the message; the others say what to change.
import { Schema } from "effect"

/** D1, R2 or KV refused a call. Transient. */
export class StorageFailed extends Schema.TaggedError<StorageFailed>()("StorageFailed", {
  store: Schema.Literals(["D1", "R2", "KV"]),
  operation: Schema.String,
  cause: Schema.Defect(),
}) {
  override get message(): string {
    const cause = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `${this.store} failed to ${this.operation}: ${cause}`
  }
}

/** R2 has no such blob. Transient: a blob is written before whatever names it, so it may be restored. */
export class BlobMissing extends Schema.TaggedError<BlobMissing>()("BlobMissing", {
  what: Schema.String,
  digest: Schema.String,
}) {
  override get message(): string {
    return `${this.what}: the blob ${this.digest} is missing; upload it again`
  }
}

/** The blob's bytes are not the ones its name promises. */
export class BlobCorrupt extends Schema.TaggedError<BlobCorrupt>()("BlobCorrupt", {
  what: Schema.String,
  digest: Schema.String,
  found: Schema.String,
}) {
  override get message(): string {
    return `${this.what}: the blob ${this.digest} holds bytes whose digest is ${this.found}; upload it again`
  }
}

/** The dataset, or the version of the base model that it names, is not registered. */
export class ReferenceNotRegistered extends Schema.TaggedError<ReferenceNotRegistered>()("ReferenceNotRegistered", {
  datasetId: Schema.String,
}) {
  override get message(): string {
    return `the reference model of dataset "${this.datasetId}" is not registered; register the dataset and its base model`
  }
}

/** What was made of comparisons is for another maxLength, or for an earlier dataset of this id. Transient. */
export class DatasetChanged extends Schema.TaggedError<DatasetChanged>()("DatasetChanged", {
  datasetId: Schema.String,
}) {
  override get message(): string {
    return `dataset "${this.datasetId}" was changed while its comparisons were worked on; they are worked on again`
  }
}

/** The model, or one sequence, does not fit an isolate. */
export class ReferenceTooLarge extends Schema.TaggedError<ReferenceTooLarge>()("ReferenceTooLarge", {
  detail: Schema.String,
}) {
  override get message(): string {
    return `${this.detail}; let runners compute the reference (PATCH /v1/datasets/{id} with {"reference":{"place":"runner"}}), or use a smaller model`
  }
}

/** The edge was asked for, and cannot. */
export class EdgeCannot extends Schema.TaggedError<EdgeCannot>()("EdgeCannot", {
  detail: Schema.String,
}) {
  override get message(): string {
    return `the edge cannot compute this reference: ${this.detail}; leave reference.place out, or say "runner"`
  }
}

/** A registered file of the reference model cannot be used. */
export class ReferenceInvalid extends Schema.TaggedError<ReferenceInvalid>()("ReferenceInvalid", {
  file: Schema.String,
  detail: Schema.String,
}) {
  override get message(): string {
    return `${this.file} of the reference model cannot be used: ${this.detail}; register a corrected version`
  }
}

/** A comparison that can never become pairs, whoever tries again. */
export class ComparisonInvalid extends Schema.TaggedError<ComparisonInvalid>()("ComparisonInvalid", {
  detail: Schema.String,
}) {
  override get message(): string {
    return this.detail
  }
}

/** `score` was asked for pairs that it cannot score. */
export class PairsUnusable extends Schema.TaggedError<PairsUnusable>()("PairsUnusable", {
  reason: Schema.Literals(["NotFound", "Invalid"]),
  detail: Schema.String,
}) {
  override get message(): string {
    return this.detail
  }
}
