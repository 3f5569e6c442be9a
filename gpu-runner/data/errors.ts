// The typed failures of reading a run's inputs. Each message names the file and says the mend.
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

/** A model or adapter folder lacks a file. */
export class ModelFileMissing extends taggedError<"ModelFileMissing", { path: string }>("ModelFileMissing") {
  constructor(path: string, mend: string) {
    super(`${path} is missing; ${mend}`, { path })
  }
}

/** A file of rows, references or metrics cannot be used; `line` counts from 1, 0 for the file as a whole. */
export class InvalidDataFile extends taggedError<"InvalidDataFile", { path: string; line: number }>("InvalidDataFile") {
  constructor(path: string, line: number, fault: string) {
    super(`${path}${line > 0 ? `:${line}` : ""}: ${fault}`, { path, line })
  }
}

/** Nothing is left to work on. */
export class NoUsableRows extends taggedError("NoUsableRows") {
  constructor(source: string, dropped: Readonly<Record<string, number>>) {
    const reasons = Object.entries(dropped).map(([reason, rows]) => `${rows} ${reason}`)
    super(
      reasons.length === 0
        ? `${source} holds no rows; give at least one`
        : `${source} holds no usable row: dropped ${reasons.join(", ")}; mend the rows, or raise maxLength if they are over length`,
    )
  }
}

/** Reference log-probs do not belong to this data, model or tokenizer. */
export class ReferenceMismatch extends taggedError("ReferenceMismatch") {}

/** A file of responses was made from something else, or is written to by somebody else. */
export class ResponsesMismatch extends taggedError("ResponsesMismatch") {}

/** A pack was made for another model. */
export class PackMismatch extends taggedError("PackMismatch") {}

/** A file is not what it was registered as: the disk gave way, or somebody wrote into it. */
export class FileDamaged extends taggedError<"FileDamaged", { path: string; digest: string }>("FileDamaged") {
  constructor(path: string, digest: string, found: string) {
    super(
      `${path} is damaged on this machine: its digest is ${found}, and ${digest} was registered; it is fetched again`,
      {
        path,
        digest,
      },
    )
  }
}

/** Another run is writing into the folder. */
export class FolderInUse extends taggedError("FolderInUse") {
  constructor(directory: string, lock: string, holder: string) {
    super(
      `${directory} is in use: ${holder} is training into it; wait for it or choose another --out (if nothing runs there, remove ${lock})`,
    )
  }
}

/** The disk is too small for what is still to be fetched or written. */
export class NotEnoughSpace extends taggedError("NotEnoughSpace") {
  constructor(directory: string, neededBytes: number, freeBytes: number, done: "fetched" | "written" = "fetched") {
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`
    super(
      `${directory} has ${gigabytes(freeBytes)} free, ${gigabytes(neededBytes)} are still to be ${done}; make room there, or choose another folder`,
    )
  }
}
