// Which pairs of a snapshot still count. A judgement may be taken back at any time after the snapshot: until the pack is made its pairs
// are left out, afterwards they are counted, because what has been learnt cannot be unlearnt.
import { Effect } from "effect"
import { slices } from "#shared/wire/limits.ts"
import type { PackShard } from "#shared/wire/pack-shard.ts"
import type { SnapshotContent, SnapshotPage, StoredPack } from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { eachShard } from "./blobs.ts"
import { readPage, readSnapshot, sortedIds } from "./snapshot.ts"
import { call } from "./transient.ts"

const IDS_PER_QUERY = 5000

type Matched = NonNullable<SnapshotPage["matched"]>

/** The rows of these pairs: of one that verdicts make there are two. */
export const withPartners = (ids: readonly string[], matched: Matched = {}): string[] =>
  ids.flatMap((id) => [id, ...(matched[id] === undefined ? [] : [matched[id]])])

/** Those of these pairs that are ready now, in their order. One that verdicts make is while both count. */
export const stillReady = Effect.fnUntraced(function* (ids: readonly string[], matched: Matched = {}) {
  const { DB } = yield* Bindings
  const ready = new Set<string>()
  for (const some of slices(withPartners(ids, matched), IDS_PER_QUERY)) {
    const { results } = yield* call("look which pairs still count", () =>
      DB.prepare("SELECT id FROM pairs WHERE id IN (SELECT value FROM json_each(?)) AND status = 'ready'")
        .bind(JSON.stringify(some))
        .all<{ id: string }>(),
    )
    for (const { id } of results) ready.add(id)
  }
  return ids.filter((id) => ready.has(id) && (matched[id] === undefined || ready.has(matched[id])))
})

/**
 * Says shard by shard of a pack which of its pairs verdicts make. Pack and snapshot are in the order of ids: the snapshot and each of its pages
 * are read once, and a page or two are held.
 */
const matchesAlong = () => {
  let content: SnapshotContent | undefined
  let page: SnapshotPage | undefined
  let index = 0
  return Effect.fnUntraced(function* ({ meta, pairIds }: PackShard) {
    content ??= yield* readSnapshot(meta.snapshot)
    if (content.matchedPairs === undefined) return undefined
    const matched: Record<string, string> = {}
    for (;;) {
      page ??= yield* readPage(content, index)
      Object.assign(matched, page.matched)
      // A page that reaches beyond this shard is looked at again with the next.
      if (index >= content.pages.length - 1 || sortedIds(page).at(-1)! > pairIds.at(-1)!) return matched
      page = undefined
      index += 1
    }
  })
}

/** How many pairs of a pack were taken back since it was made, and how many it has. */
export const takenBackOf = Effect.fnUntraced(function* ({ digest }: Pick<StoredPack, "digest">) {
  let [takenBack, pairs] = [0, 0]
  const matchesOf = matchesAlong()
  yield* eachShard(digest, (shard) =>
    Effect.gen(function* () {
      const ready = yield* stillReady(shard.pairIds, yield* matchesOf(shard))
      takenBack += shard.pairIds.length - ready.length
      pairs += shard.pairIds.length
    }),
  )
  return { takenBack, pairs }
})
