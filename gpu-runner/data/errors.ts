// The typed failures of reading a run's inputs. Plain classes with a `_tag`; each message names the file and says the mend.

/** A model or adapter folder lacks a file. */
export class ModelFileMissing extends Error {
  readonly _tag = "ModelFileMissing"
  readonly path: string
  constructor(path: string, mend: string) {
    super(`${path} is missing; ${mend}`)
    this.name = "ModelFileMissing"
    this.path = path
  }
}

/** A file of rows, references or metrics cannot be used; `line` counts from 1, 0 for the file as a whole. */
export class InvalidDataFile extends Error {
  readonly _tag = "InvalidDataFile"
  readonly path: string
  readonly line: number
  constructor(path: string, line: number, fault: string) {
    super(`${path}${line > 0 ? `:${line}` : ""}: ${fault}`)
    this.name = "InvalidDataFile"
    this.path = path
    this.line = line
  }
}

/** Nothing is left to work on. */
export class NoUsableRows extends Error {
  readonly _tag = "NoUsableRows"
  constructor(source: string, dropped: Readonly<Record<string, number>>) {
    const reasons = Object.entries(dropped).map(([reason, rows]) => `${rows} ${reason}`)
    super(
      reasons.length === 0
        ? `${source} holds no rows; give at least one`
        : `${source} holds no usable row: dropped ${reasons.join(", ")}; mend the rows, or raise maxLength if they are over length`,
    )
    this.name = "NoUsableRows"
  }
}

/** Reference log-probs do not belong to this data, model or tokenizer. */
export class ReferenceMismatch extends Error {
  readonly _tag = "ReferenceMismatch"
  constructor(message: string) {
    super(message)
    this.name = "ReferenceMismatch"
  }
}

/** A pack was made for another model. */
export class PackMismatch extends Error {
  readonly _tag = "PackMismatch"
  constructor(message: string) {
    super(message)
    this.name = "PackMismatch"
  }
}

/** Another run is writing into the folder. */
export class FolderInUse extends Error {
  readonly _tag = "FolderInUse"
  constructor(directory: string, lock: string, holder: string) {
    super(
      `${directory} is in use: ${holder} is training into it; wait for it or choose another --out (if nothing runs there, remove ${lock})`,
    )
    this.name = "FolderInUse"
  }
}
