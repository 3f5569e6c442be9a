// What a file of reference log-probs was scored from, in a small file beside it: FILE.origin.json. `yohaku score` writes it, training checks
// it. A reference without one (of another tool) is checked by its rows and by the self-test alone.
import { existsSync, readFileSync } from "node:fs"
import { ReferenceMismatch } from "../errors.ts"
import { writeFileAtomically } from "../files.ts"

export interface ReferenceOrigin {
  /** SHA-256 of the reference file itself. */
  readonly reference: string
  /** The base's fingerprint: weights as held, tokenizer, template. */
  readonly model: string
  /** Digest of the adapter that was scored with; null for the base alone. */
  readonly adapter: string | null
}

/** Writes the origin of `file`. */
export function writeReferenceOrigin(file: string, origin: ReferenceOrigin): void {
  writeFileAtomically(originFile(file), `${JSON.stringify(origin, null, 2)}\n`)
}

/** Compares with the origin beside `file`, if there is one. Errors: ReferenceMismatch, which names what differs. */
export function checkReferenceOrigin(file: string, expected: ReferenceOrigin): void {
  const beside = originFile(file)
  if (!existsSync(beside)) return
  const found = readOrigin(beside)
  const mend = "score the data again with the model that is trained"
  if (found.reference !== expected.reference) {
    throw new ReferenceMismatch(`${file} is not the file that ${beside} was written for; ${mend}, or remove ${beside}`)
  }
  if (found.model !== expected.model) {
    throw new ReferenceMismatch(
      `${file} was scored with model ${short(found.model)}, this model is ${short(expected.model)}: weights, precision of the weights (baseWeights), tokenizer or template differ; ${mend}`,
    )
  }
  if (found.adapter !== expected.adapter) {
    throw new ReferenceMismatch(
      `${file} was scored ${withAdapter(found.adapter)}, training starts ${withAdapter(expected.adapter)}; ${mend}, and with the same --adapter`,
    )
  }
}

function readOrigin(beside: string): ReferenceOrigin {
  try {
    const { reference, model, adapter } = JSON.parse(readFileSync(beside, "utf8")) as Partial<ReferenceOrigin>
    if (
      typeof reference === "string" &&
      typeof model === "string" &&
      (adapter === null || typeof adapter === "string")
    ) {
      return { reference, model, adapter }
    }
  } catch {
    // Told below: no JSON is as useless as JSON of something else.
  }
  throw new ReferenceMismatch(`${beside} cannot be read; score the data again, or remove it`)
}

function originFile(file: string): string {
  return `${file}.origin.json`
}

function short(digest: string): string {
  return `${digest.slice(0, 12)}…`
}

function withAdapter(adapter: string | null): string {
  return adapter === null ? "without an adapter" : `with adapter ${short(adapter)}`
}
