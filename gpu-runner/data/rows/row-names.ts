// Each id and each content of a data source once. A record's id names one thing, as in the service, where what is said later under it
// takes its place: another record of the same id is a fault. The same row again, under whatever id, is a duplicate, as in the service,
// which names pairs by their content.
import { canonicalJson } from "#shared/formats/digest.ts"
import { InvalidPreferenceRow } from "#shared/judgement/preference-rows.ts"
import { sha256 } from "../files.ts"
import type { Place, StatedRecord } from "./stated-record.ts"

type Seen = Pick<Place, "file" | "line">

const digestOf = (content: unknown): string => sha256(canonicalJson(content))

const placeSeen = (earlier: Seen, { file }: Place): string =>
  earlier.file === file ? `line ${earlier.line}` : `${earlier.file}:${earlier.line}`

export class RecordNames {
  readonly #byId = new Map<string, Seen & { readonly digest: string }>()

  /** Takes the names of what a record states. Throws InvalidPreferenceRow, and takes none, where one is another record's. */
  claim(place: Place, stated: StatedRecord["stated"]): void {
    const { file, line } = place
    const named = new Map<string, string>()
    for (const [id, said] of namedIn(stated)) {
      const digest = digestOf(said)
      const [earlier, beside] = [this.#byId.get(id), named.get(id)]
      if (beside !== undefined && beside !== digest)
        throw new InvalidPreferenceRow(
          "",
          `id ${JSON.stringify(id)} stands twice in the row; give each judgement its own id`,
        )
      named.set(id, digest)
      if (earlier === undefined || earlier.digest === digest) continue
      const fault = `id ${JSON.stringify(id)} belongs to another row at ${placeSeen(earlier, place)}; give every row its own id`
      throw new InvalidPreferenceRow("", fault)
    }
    for (const [id, digest] of named) if (!this.#byId.has(id)) this.#byId.set(id, { file, line, digest })
  }
}

/** What a record states under each name: a judgement under its own, else a pair or a response under the row's. */
function namedIn(stated: StatedRecord["stated"]): readonly (readonly [id: string, said: unknown])[] {
  if ("supervised" in stated) {
    const { id, text } = stated.supervised
    return id === undefined ? [] : [[id, text]]
  }
  const { comparisons, pairs, unpaired, over = [] } = stated
  return [
    ...(comparisons ?? [...pairs, ...unpaired]).flatMap(({ id, ...said }) =>
      id === undefined ? [] : [[id, said] as const],
    ),
    ...over.map(({ externalId }) => [externalId, "nothing"] as const),
  ]
}

export class RowContents {
  readonly #byContent = new Map<string, Seen>()

  /** Where the same row stands already; undefined: it is new. */
  claim(place: Place, content: unknown): string | undefined {
    const digest = digestOf(content)
    const earlier = this.#byContent.get(digest)
    if (earlier !== undefined) return `the row stands at ${placeSeen(earlier, place)} already`
    this.#byContent.set(digest, { file: place.file, line: place.line })
    return undefined
  }
}
