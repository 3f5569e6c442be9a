// Each id and each content of a data source once: the same row again, under whatever id, is a duplicate, as in the service, which names
// pairs by their content; another row of the same id is a fault.
import { canonicalJson } from "#shared/formats/digest.ts"
import { InvalidPreferenceRow } from "#shared/judgement/preference-rows.ts"
import { sha256 } from "../files.ts"
import type { Place } from "./preference-file.ts"

type Seen = Pick<Place, "file" | "line">

export class RowNames {
  readonly #byId = new Map<string, Seen & { readonly contentDigest: string }>()
  readonly #byContent = new Map<string, Seen>()

  /** Takes an id for a row; says where the same row stands already. Throws InvalidPreferenceRow where the id is another row's. */
  claim({ file, line }: Place, id: string, content: unknown): string | undefined {
    const contentDigest = sha256(canonicalJson(content))
    const at = (earlier: Seen) => (earlier.file === file ? `line ${earlier.line}` : `${earlier.file}:${earlier.line}`)
    const named = this.#byId.get(id)
    if (named !== undefined && named.contentDigest !== contentDigest) {
      const fault = `id ${JSON.stringify(id)} belongs to another row at ${at(named)}; give every row its own id`
      throw new InvalidPreferenceRow("", fault)
    }
    const same = this.#byContent.get(contentDigest)
    if (named === undefined) this.#byId.set(id, { file, line, contentDigest })
    if (same === undefined) this.#byContent.set(contentDigest, { file, line })
    return same === undefined ? undefined : `the row stands at ${at(same)} already`
  }
}
