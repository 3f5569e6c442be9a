// Each id of a data source once: the same row again is a duplicate, another row of the same id a fault.
import { canonicalJson } from "#shared/formats/digest.ts"
import { InvalidPreferenceRow } from "#shared/judgement/preference-rows.ts"
import { sha256 } from "../files.ts"
import type { Place } from "./preference-file.ts"

export class RowNames {
  readonly #seen = new Map<string, { readonly file: string; readonly line: number; readonly contentDigest: string }>()

  /** Takes an id for a row; says where the same row stands already. Throws InvalidPreferenceRow where the id is another row's. */
  claim({ file, line }: Place, id: string, content: unknown): string | undefined {
    const contentDigest = sha256(canonicalJson(content))
    const earlier = this.#seen.get(id)
    if (earlier === undefined) {
      this.#seen.set(id, { file, line, contentDigest })
      return undefined
    }
    const at = earlier.file === file ? `line ${earlier.line}` : `${earlier.file}:${earlier.line}`
    if (earlier.contentDigest === contentDigest) return `the row stands at ${at} already`
    const fault = `id ${JSON.stringify(id)} belongs to another row at ${at}; give every row its own id`
    throw new InvalidPreferenceRow("", fault)
  }
}
