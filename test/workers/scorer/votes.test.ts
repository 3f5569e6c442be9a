// Several labellers of one pair: whatever is said, taken back and delivered twice, in whatever order, the votes are those of what stands.
import * as fc from "fast-check"
import { beforeAll, beforeEach, describe, expect, it } from "vitest"
import { IS_DECIDED, type SplitVotes, shareOf } from "#shared/domain/SplitVotes.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { COUNT_VOTES, MARK_STATED } from "#shared/judgement/pair-votes.ts"
import { MATCH_VERDICTS } from "#shared/judgement/verdict-pairs.ts"
import { tinyTokenisation } from "./tiny-model.ts"
import {
  bindings,
  choice,
  comparisonStates,
  counters,
  DATASET,
  deliver,
  only,
  pairs,
  putBlob,
  receive,
  startWorld,
  takeBack,
  tokenIds,
} from "./world.ts"

interface Said {
  readonly labeller: string | null
  /** Whether "the" is better than "an". */
  readonly isFirst: boolean
  readonly at: number
}

let count = 0

/** A waiting comparison of somebody; resolves to its id. */
const receiveFrom = async ({ labeller, isFirst, at }: Said): Promise<string> => {
  count += 1
  const id = `comparison-${String(count).padStart(6, "0")}`
  const line = JSON.stringify(isFirst ? choice("hello", "the", "an", id) : choice("hello", "an", "the", id))
  const digest = await putBlob(new TextEncoder().encode(line) as Uint8Array<ArrayBuffer>)
  await bindings.DB.batch([
    bindings.DB.prepare(
      `INSERT INTO comparisons (id, dataset_id, source, external_id, annotator, judgement_kind, payload_digest, payload_line,
                                status, labelled_at, received_at)
       VALUES (?1, ?2, 'api', ?1, ?3, 'choice', ?4, 0, 'received', ?5, ?6)`,
    ).bind(id, DATASET, labeller, digest, at, 1_000_000 + count),
    bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) VALUES (?, 0)").bind(id),
  ])
  return id
}

/** What should be counted of what stands, by direction. */
const votesOf = (standing: readonly (Said & { readonly order: number })[]) => {
  const newest = new Map<string, Said & { readonly order: number }>()
  for (const said of standing) {
    const name = said.labeller ?? `anonymous ${said.order}`
    const before = newest.get(name)
    if (before === undefined || said.at > before.at || (said.at === before.at && said.order > before.order))
      newest.set(name, said)
  }
  const first = [...newest.values()].filter(({ isFirst }) => isFirst).length
  return { first, second: newest.size - first }
}

const stored = async () => {
  const all = await pairs()
  const [one] = all
  const found = { first: { for: 0, against: 0 }, second: { for: 0, against: 0 } }
  if (one === undefined) return found
  // Either response has one token; which it is tells the direction.
  for (const pair of all) {
    const isFirst = (tokenIds(pair).chosen[0] ?? 0) > (tokenIds(pair).rejected[0] ?? 0) === firstIsLarger
    found[isFirst ? "first" : "second"] = { for: pair.votes_for, against: pair.votes_against }
    expect(pair.status).toBe(pair.votes_for > 0 ? "ready" : "retracted")
  }
  return found
}

let firstIsLarger = true

beforeAll(async () => {
  await startWorld()
  await deliver([await receiveFrom({ labeller: null, isFirst: true, at: 0 })])
  const { chosen, rejected } = tokenIds((await pairs())[0]!)
  firstIsLarger = chosen[0]! > rejected[0]!
})

beforeEach(startWorld)

describe("the votes of a pair", () => {
  it("are those of the statements that stand, the newest of each labeller, in any order and doubled", async () => {
    const statement = fc.record({
      kind: fc.constant("say" as const),
      labeller: fc.constantFrom("ann", "bob", "cid", null),
      isFirst: fc.boolean(),
      at: fc.integer({ min: 0, max: 3 }),
    })
    const other = fc.record({ kind: fc.constantFrom("take back" as const, "redeliver" as const), which: fc.nat() })
    const steps = fc.array(fc.oneof({ weight: 3, arbitrary: statement }, { weight: 2, arbitrary: other }), {
      minLength: 1,
      maxLength: 9,
    })
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        await bindings.DB.batch(
          ["outbox", "pair_statements", "pairs", "comparisons"].map((table) =>
            bindings.DB.prepare(`DELETE FROM ${table}`),
          ),
        )
        const standing = new Map<string, Said & { readonly order: number }>()
        const ids: string[] = []
        for (const step of all) {
          if (step.kind === "say") {
            const id = await receiveFrom(step)
            ids.push(id)
            standing.set(id, { ...step, order: count })
            await deliver([id])
          } else if (ids.length > 0) {
            const id = ids[step.which % ids.length]!
            if (step.kind === "redeliver") await deliver([id])
            else {
              await takeBack(id)
              standing.delete(id)
            }
          }
        }
        const { first, second } = votesOf([...standing.values()])
        const found = await stored()
        expect([found.first.for, found.second.for]).toEqual([first, second])
        if (first > 0) expect(found.first.against).toBe(second)
        if (second > 0) expect(found.second.against).toBe(first)
      }),
      { numRuns: 30 },
    )
  })
})

describe("a policy", () => {
  const shares = (policy: SplitVotes) =>
    [
      [1, 0],
      [2, 1],
      [1, 1],
      [1, 2],
      [0, 1],
    ].map(([yes, no]) => shareOf(policy, { for: yes!, against: no! }))

  it("decides what a split vote is worth", () => {
    expect(shares("drop")).toEqual([1, 0, 0, 0, 0])
    expect(shares("majority")).toEqual([1, 1, 0, 0, 0])
    expect(shares("weight")).toEqual([1, 2 / 3, 1 / 2, 1 / 3, 0])
  })
})

describe("a verdict", () => {
  const verdict = (response: string, value: "desirable" | "undesirable", externalId: string): Comparison => ({
    ...{ externalId, prompt: "hello", candidates: [{ id: "a", response }] },
    judgement: { kind: "verdict", value },
  })
  const rowsOf = async () =>
    (await pairs()).map(({ status, votes_for, votes_against }) => [status, votes_for, votes_against])

  it("is kept as one response with its tokens, its split and its score, and is no pair by itself", async () => {
    const [up] = await receive([verdict("the", "desirable", "up")])
    await deliver([up])
    const pair = await only()
    expect(pair).toMatchObject({ status: "ready", comparison_id: up, rejected_tokens: 0, rejected_digest: "", side: 1 })
    const { prompt, chosen, rejected } = tokenIds(pair)
    const usual = tinyTokenisation().tokeniseResponse(
      { prompt: "hello", response: "the" },
      { maxLength: 128, overflow: "drop" },
    )
    expect(usual).toMatchObject({ promptIds: Uint32Array.from(prompt), responseIds: Uint32Array.from(chosen) })
    expect(rejected).toEqual([])
    expect(await comparisonStates()).toEqual({ [up!]: "paired" })
    expect(await counters()).toMatchObject({ responses_computed: 1 })
    const [asPair] = await receive([choice("hello", "the", "an", "pair")])
    await deliver([asPair])
    expect((await pairs()).map(({ split }) => split)).toEqual([pair.split, pair.split])
    // The response was scored already.
    expect(await counters()).toMatchObject({ responses_computed: 2, responses_from_cache: 1 })
  })

  it("of the other kind on the same response is a vote against it", async () => {
    const ids = await receive([
      verdict("the", "desirable", "one"),
      verdict("the", "undesirable", "two"),
      verdict("the", "desirable", "three"),
      verdict("an", "undesirable", "four"),
    ])
    await deliver(ids)
    expect((await rowsOf()).toSorted()).toEqual([
      ["ready", 1, 0],
      ["ready", 1, 2],
      ["ready", 2, 1],
    ])
    await takeBack(ids[1]!)
    expect((await rowsOf()).toSorted()).toEqual([
      ["ready", 1, 0],
      ["ready", 2, 0],
      ["retracted", 0, 2],
    ])
  })

  it("that is too long is dropped with the reason", async () => {
    await bindings.DB.prepare("UPDATE datasets SET max_length = 2").run()
    const [id] = await receive([verdict("the an the an", "undesirable", "long")])
    await deliver([id])
    expect(await comparisonStates()).toEqual({ [id!]: "dropped: over-length" })
  })
})

it("a comparison that is derived again to another length states what fits, and what it stated before no more", async () => {
  const setLength = (tokens: number) => bindings.DB.prepare("UPDATE datasets SET max_length = ?").bind(tokens).run()
  const again = async (id: string) => {
    await bindings.DB.batch([
      bindings.DB.prepare("UPDATE comparisons SET status = 'received' WHERE id = ?").bind(id),
      bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) VALUES (?, 0)").bind(id),
    ])
    await deliver([id])
    return (await pairs()).map(({ status, reason }) => `${status}: ${reason}`).toSorted()
  }
  const gone = "retracted: no judgement states it any more"
  await setLength(2)
  const [id] = await receive([choice("hello", "the an the an", "an the an the", "long")])
  await deliver([id])
  expect(await only()).toMatchObject({ status: "dropped", reason: "over-length" })
  await setLength(64)
  expect(await again(id!)).toEqual(["ready: null", gone])
  expect(await comparisonStates()).toEqual({ [id!]: "paired" })
  const { responses_computed: computed } = await counters()
  await setLength(2)
  expect(await again(id!)).toEqual(["dropped: over-length", gone])
  await setLength(64)
  expect(await again(id!)).toEqual(["ready: null", gone])
  expect(await counters()).toMatchObject({ responses_computed: computed })
})

it("votes are counted by indexes, however many pairs and statements there are", async () => {
  const statements = [
    MARK_STATED("(SELECT value FROM json_each(?1))"),
    ...COUNT_VOTES,
    MATCH_VERDICTS(IS_DECIDED.majority),
  ]
  for (const sql of statements) {
    const explain = bindings.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    const parameters = ["x", "[]"].slice(0, sql.includes("?2") ? 2 : sql.includes("?1") ? 1 : 0)
    const { results } = await explain.bind(...parameters).all<{ detail: string }>()
    const read = results.filter(({ detail }) =>
      /^(?:SCAN|SEARCH) (?:pairs|pair_statements|s|c|other|stale|comparisons)\b/.test(detail),
    )
    expect(read.length).toBeGreaterThan(0)
    for (const { detail } of read) expect(detail).toMatch(/^SEARCH .*(?:id|_digest|prompt_digest)=\?|pairs_to_count/)
  }
})
