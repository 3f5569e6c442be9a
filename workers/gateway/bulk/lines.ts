// Lines of a body while it arrives. Never more than one line's limit is held; what is longer is skipped up to its end.
import { LIMITS } from "#shared/wire/limits.ts"

export interface Line {
  /** From 1. */
  readonly number: number
  /** Without its line end; undefined when it was longer than `LIMITS.lineBytes`. */
  readonly bytes: Uint8Array | undefined
}

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

const trimmed = (bytes: Uint8Array): Uint8Array => (bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes)

/** Splits chunks into lines. */
export class LineSplitter {
  #parts: Uint8Array[] = []
  #length = 0
  #number = 0

  #append(part: Uint8Array): void {
    this.#length += part.length
    if (this.#length > LIMITS.lineBytes + 1) this.#parts = []
    else if (part.length > 0) this.#parts.push(part)
  }

  /** The lines that this chunk completes. */
  *push(chunk: Uint8Array): Generator<Line> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#append(chunk.subarray(start, end))
      yield this.#take()
      start = end + 1
    }
    this.#append(chunk.subarray(start))
  }

  /** The last line, if the body did not end with a line end. */
  *end(): Generator<Line> {
    if (this.#length > 0) yield this.#take()
  }

  #take(): Line {
    const bytes = trimmed(this.#joined())
    const isTooLong = this.#length > LIMITS.lineBytes + 1 || bytes.length > LIMITS.lineBytes
    this.#parts = []
    this.#length = 0
    this.#number += 1
    return { number: this.#number, bytes: isTooLong ? undefined : bytes }
  }

  #joined(): Uint8Array {
    const [first, ...others] = this.#parts
    if (first === undefined) return new Uint8Array()
    if (others.length === 0) return first
    const joined = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0))
    let offset = 0
    for (const part of this.#parts) {
      joined.set(part, offset)
      offset += part.length
    }
    return joined
  }
}
