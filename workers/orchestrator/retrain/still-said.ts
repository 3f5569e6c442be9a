// Which pairs of a snapshot still count. A judgement may be taken back at any time after the snapshot: until the pack is made its pairs
// are left out, afterwards they are counted, because what has been learnt cannot be unlearnt.
import { Effect } from "effect"
import { slices } from "#shared/wire/limits.ts"
import type { StoredPack } from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { eachShard } from "./blobs.ts"
import { call } from "./transient.ts"

const IDS_PER_QUERY = 5000

/** Those of these pairs that are ready now, in their order. */
export const stillReady = Effect.fnUntraced(function* (ids: readonly string[]) {
  const { DB } = yield* Bindings
  const ready = new Set<string>()
  for (const some of slices(ids, IDS_PER_QUERY)) {
    const { results } = yield* call("look which pairs still count", () =>
      DB.prepare("SELECT id FROM pairs WHERE id IN (SELECT value FROM json_each(?)) AND status = 'ready'")
        .bind(JSON.stringify(some))
        .all<{ id: string }>(),
    )
    for (const { id } of results) ready.add(id)
  }
  return ids.filter((id) => ready.has(id))
})

/** How many pairs of a pack were taken back since it was made, and how many it has. */
export const takenBackOf = Effect.fnUntraced(function* ({ digest }: StoredPack) {
  let [takenBack, pairs] = [0, 0]
  yield* eachShard(digest, ({ pairIds }) =>
    Effect.map(stillReady(pairIds), (ready) => {
      takenBack += pairIds.length - ready.length
      pairs += pairIds.length
    }),
  )
  return { takenBack, pairs }
})
