// What a snapshot makes of votes and verdicts: a function of what stands, of the dataset's policy and of the method.
import * as fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import { MOST_VERDICT_PAIRS } from "#shared/judgement/verdict-pairs.ts"
import { frozenPages } from "#workers/orchestrator/retrain/frozen-pairs.ts"
import { complete, LEARNED, leaseNext, pairsOfPack, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  DATASET,
  finished,
  getRun,
  orchestrator,
  sleep,
  startWorld,
  triggerOnce,
  valueIn,
} from "./world.ts"

beforeEach(() => startWorld())

const setPolicy = (policy: string) => bindings.DB.prepare("UPDATE datasets SET split_votes = ?").bind(policy).run()

const setVotes = (id: string, [yes, no]: readonly [number, number]) =>
  bindings.DB.prepare("UPDATE pairs SET votes_for = ?, votes_against = ? WHERE id = ?").bind(yes, no, id)

/** Everything that a snapshot of now would hold. */
const frozen = async (config: Readonly<Record<string, unknown>> = {}) => {
  const all = { train: [] as string[], heldOut: [] as string[], shares: {}, matched: {} as Record<string, string> }
  for await (const { page } of frozenPages(bindings.DB, DATASET, config)) {
    all.train.push(...page.train)
    all.heldOut.push(...page.heldOut)
    Object.assign(all.shares, page.shares)
    Object.assign(all.matched, page.matched)
  }
  return all
}

interface Thumb {
  readonly prompt: number
  readonly isUp: boolean
  readonly isHeldOut?: boolean
  readonly votes?: readonly [number, number]
}

const wordsOf = (...ids: readonly number[]): ArrayBuffer => Uint32Array.from(ids).buffer as ArrayBuffer

let thumbs = 0

/** Verdicts as the scorer writes them, each on an answer of its own; resolves to their ids. */
const addThumbs = async (given: readonly Thumb[]): Promise<string[]> => {
  const ids: string[] = []
  const statements: D1PreparedStatement[] = []
  for (const { prompt, isUp, isHeldOut = false, votes = [1, 0] } of given) {
    thumbs += 1
    const id = await sha256Hex(`thumb ${thumbs}`)
    const digest = await sha256Hex(`response of ${id}`)
    ids.push(id)
    statements.push(
      bindings.DB.prepare(
        `INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
         VALUES (?1, ?2, 'api', ?1, 'verdict', '', 0, 'paired', 0)`,
      ).bind(id, DATASET),
      bindings.DB.prepare(
        `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, token_ids, prompt_tokens,
                            chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at, side, prompt_digest,
                            votes_for, votes_against)
         VALUES (?1, ?2, ?1, 'ready', 1, ?3, '', ?4, 1, ?5, ?6, ?7, ?8, 1, ?9, ?10, ?11, ?12)`,
      ).bind(
        ...[id, DATASET, isHeldOut ? "held-out" : "train", wordsOf(prompt, thumbs % 40)],
        ...[isUp ? 1 : 0, isUp ? 0 : 1, isUp ? digest : "", isUp ? "" : digest, isUp ? 1 : -1],
        ...[await sha256Hex(`prompt ${prompt}`), ...votes],
      ),
    )
  }
  await bindings.DB.batch(statements)
  return ids
}

describe("a split vote", () => {
  it("means what the dataset's policy says, and only then is anything written beside the ids", async () => {
    const ids = await addPairs(0, 8)
    const before = await frozen()
    expect(before).toMatchObject({ shares: {}, matched: {} })
    // Two labellers for the first, one for its opposite, the second; the third and fourth are a draw.
    await bindings.DB.batch([
      setVotes(ids[0]!, [2, 1]),
      setVotes(ids[1]!, [1, 2]),
      setVotes(ids[2]!, [1, 1]),
      setVotes(ids[4]!, [1, 1]),
    ])
    const without = (...left: readonly number[]) =>
      before.train.filter((id) => !left.some((index) => ids[index] === id))
    await setPolicy("drop")
    expect(await frozen()).toMatchObject({ train: without(0, 1, 2, 4), shares: {} })
    await setPolicy("majority")
    expect(await frozen()).toMatchObject({ train: without(1, 2, 4), shares: {} })
    await bindings.DB.prepare("UPDATE datasets SET split_votes = NULL").run()
    expect((await frozen()).train).toEqual(without(1, 2, 4))
    await setPolicy("weight")
    const shares = { [ids[0]!]: 2 / 3, [ids[1]!]: 1 / 3, [ids[2]!]: 1 / 2, [ids[4]!]: 1 / 2 }
    expect(await frozen()).toEqual({ ...before, shares })
  })

  it("is left out of what starts automatic runs, so that it is not new again and again", async () => {
    await bindings.DB.prepare("UPDATE datasets SET retrain_threshold = 4").run()
    const ids = await addPairs(0, 8)
    await bindings.DB.batch(ids.slice(0, 3).map((id) => setVotes(id, [1, 1])))
    const { trainPairs, heldOutPairs } = valueIn(await orchestrator.automaticRuns(DATASET))
    const { train, heldOut } = await frozen()
    expect([trainPairs, heldOutPairs]).toEqual([train.length, heldOut.length])
  })
})

it("a run waits while pairs are made again to another length", async () => {
  await addPairs(0, 8)
  await bindings.DB.prepare("UPDATE datasets SET deriving = ?").bind('{"startedAt":1,"state":0,"after":""}').run()
  const runId = await triggerOnce("waits")
  await sleep(700)
  expect((await getRun(runId)).step).toBe("snapshot")
  await bindings.DB.prepare("UPDATE datasets SET deriving = NULL").run()
  await leaseNext()
  expect((await getRun(runId)).detail.snapshot).toMatchObject({ trainPairs: 6, heldOutPairs: 2 })
})

describe("verdicts make pairs", () => {
  it("of one desirable and one undesirable answer to one prompt, each in one at most, whatever order they came in", async () => {
    const thumb = fc.record({ prompt: fc.integer({ min: 0, max: 2 }), isUp: fc.boolean(), isSplit: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(thumb, { minLength: 1, maxLength: 12 }), fc.nat(), async (given, gone) => {
        await bindings.DB.batch([
          bindings.DB.prepare("DELETE FROM pairs"),
          bindings.DB.prepare("DELETE FROM comparisons"),
        ])
        const ids = await addThumbs(given.map(({ isSplit, ...each }) => ({ ...each, votes: [1, isSplit ? 1 : 0] })))
        await bindings.DB.prepare("UPDATE pairs SET status = 'retracted' WHERE id = ?")
          .bind(ids[gone % ids.length])
          .run()
        const standing = given
          .map((each, index) => ({ ...each, id: ids[index]! }))
          .filter(({ isSplit }, index) => !isSplit && index !== gone % ids.length)
        const expected = [0, 1, 2].flatMap((prompt) => {
          const [ups, downs] = [true, false].map((isUp) =>
            standing
              .filter((each) => each.prompt === prompt && each.isUp === isUp)
              .map(({ id }) => id)
              .sort(),
          )
          return ups!.slice(0, downs!.length).map((up, index) => [up, downs![index]!] as const)
        })
        const { train, matched } = await frozen()
        expect(matched).toEqual(Object.fromEntries(expected))
        expect(train).toEqual(expected.map(([up]) => up).sort())
        const alone = await frozen({ method: "kto" })
        expect(alone).toMatchObject({ train: standing.map(({ id }) => id).sort(), matched: {} })
        expect((await frozen({ method: "sft" })).train).toEqual(
          standing
            .filter(({ isUp }) => isUp)
            .map(({ id }) => id)
            .sort(),
        )
      }),
      { numRuns: 25 },
    )
  })

  it("of answers by what more votes say of them, also where both verdicts are learnt from by their share", async () => {
    await setPolicy("weight")
    const ids = await addThumbs([
      { prompt: 0, isUp: true, votes: [1, 1] },
      { prompt: 0, isUp: false, votes: [1, 1] },
      { prompt: 1, isUp: true, votes: [2, 1] },
      { prompt: 1, isUp: false },
    ])
    expect(await frozen()).toMatchObject({ train: [ids[2]!], matched: { [ids[2]!]: ids[3]! } })
  })

  it("which start the first automatic run, and of a failed one's dataset those are new that a later verdict made", async () => {
    await bindings.DB.prepare("UPDATE datasets SET retrain_threshold = 2").run()
    const newNow = async () => {
      const { newPairs, state } = valueIn(await orchestrator.automaticRuns(DATASET))
      return [newPairs, state]
    }
    const both = (prompt: number) => [true, false].map((isUp) => ({ prompt, isUp, isHeldOut: prompt === 4 }))
    await addThumbs([1, 2, 3, 4].flatMap(both))
    expect(await newNow()).toEqual([4, "due"])
    await bindings.DB.prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
       VALUES ('failed', ?, 'api', 'dpo', 'failed', 'snapshot', '{}', 100, 100)`,
    )
      .bind(DATASET)
      .run()
    expect(await newNow()).toEqual([0, "waiting"])
    // Alone it makes no pair; with one that came later it does, and that pair is new.
    await addThumbs([{ prompt: 5, isUp: true }])
    const later = await addThumbs([{ prompt: 5, isUp: false }, ...both(6).slice(0, 1)])
    await bindings.DB.batch(
      later.map((id) => bindings.DB.prepare("UPDATE pairs SET created_at = 200 WHERE id = ?").bind(id)),
    )
    expect(await newNow()).toEqual([1, "waiting"])
    await bindings.DB.prepare("UPDATE datasets SET retrain_config = ?").bind('{"method":"kto"}').run()
    expect(await newNow()).toEqual([2, "due"])
    await bindings.DB.prepare("DELETE FROM runs").run()
    expect((await newNow())[0]).toBe(10)
  })

  it("of a prompt with very many, a bounded number", async () => {
    const many = Array.from({ length: 2 * MOST_VERDICT_PAIRS + 40 }, (_, index) => ({
      prompt: 7,
      isUp: index % 2 === 0,
    }))
    await addThumbs(many)
    const { train, matched } = await frozen()
    expect(train).toHaveLength(MOST_VERDICT_PAIRS)
    expect(new Set(Object.values(matched)).size).toBe(MOST_VERDICT_PAIRS)
  })

  it("of held-out prompts for every method, since accuracy compares two answers", async () => {
    await addThumbs([
      { prompt: 1, isUp: true, isHeldOut: true },
      { prompt: 1, isUp: false, isHeldOut: true },
      { prompt: 2, isUp: false, isHeldOut: true },
    ])
    for (const method of ["dpo", "kto", "sft"]) {
      const { heldOut, matched } = await frozen({ method })
      expect([heldOut.length, Object.keys(matched)]).toEqual([1, heldOut])
    }
  })

  it("which a run packs with the tokens and references of both answers, and counts as taken back with either", async () => {
    await addPairs(0, 8)
    const [up, down, , heldOutDown] = await addThumbs([
      { prompt: 9, isUp: true },
      { prompt: 9, isUp: false },
      { prompt: 11, isUp: true, isHeldOut: true },
      { prompt: 11, isUp: false, isHeldOut: true },
    ])
    const runId = await triggerOnce("thumbs")
    const job = await leaseNext()
    const pack = await pairsOfPack(job.spec.pack)
    expect(pack).toHaveLength(10)
    const made = pack.find(({ id }) => id === up)!
    const rows = await bindings.DB.prepare("SELECT id, token_ids FROM pairs WHERE id IN (?, ?)").bind(up, down).all<{
      id: string
      token_ids: number[]
    }>()
    const answerOf = (id: string | undefined) => {
      const bytes = rows.results.find((row) => row.id === id)!.token_ids
      return new Uint32Array(Uint8Array.from(bytes).buffer)[1]
    }
    const { promptIds, chosenIds, rejectedIds } = made
    expect([promptIds, chosenIds, rejectedIds].flatMap((each) => Array.from(each))).toEqual([
      9,
      answerOf(up),
      answerOf(down),
    ])
    expect([made.referenceLogProbs!.chosen.length, made.referenceLogProbs!.rejected.length]).toEqual([1, 1])
    // While it is trained on, the undesirable answer of the held-out pair is no verdict any more.
    await bindings.DB.prepare("UPDATE pairs SET status = 'retracted' WHERE id = ?").bind(heldOutDown).run()
    await complete(job, LEARNED)
    await work(1)
    expect((await finished(runId)).detail.promote).toMatchObject({ takenBack: 1 })
    expect((await getRun(runId)).detail.snapshot).toMatchObject({ trainPairs: 7, heldOutPairs: 3 })
  })

  it("each packed with the weights and shares of both its answers; a pair of a split vote with its own", async () => {
    await setPolicy("weight")
    const [pair] = await addPairs(0, 8)
    const [up, down] = await addThumbs([
      { prompt: 9, isUp: true, votes: [3, 1] },
      { prompt: 9, isUp: false, votes: [2, 1] },
    ])
    const weigh = bindings.DB.prepare("UPDATE pairs SET weight = ? WHERE id = ?")
    await bindings.DB.batch([
      setVotes(pair!, [1, 3]),
      ...[weigh.bind(0.5, pair), weigh.bind(0.5, up), weigh.bind(0.125, down)],
    ])
    expect((await frozen()).shares).toEqual({ [pair!]: 1 / 4, [up!]: (3 / 4) * (2 / 3) })
    await triggerOnce("weighed")
    const pack = await pairsOfPack((await leaseNext()).spec.pack)
    const weightOf = (id: string | undefined) => pack.find((each) => each.id === id)!.weight
    expect([weightOf(pair), weightOf(up)]).toEqual([0.5 / 4, (0.5 * 0.125) / 2])
  })

  it("but stand alone in a run of KTO, which packs them as rows of one response and is judged by pairs", async () => {
    const [, , , held] = await addPairs(0, 4)
    const [up, down] = await addThumbs([
      { prompt: 9, isUp: true },
      { prompt: 9, isUp: false },
    ])
    const runId = await triggerOnce("kto", { config: { method: "kto" } })
    const job = await leaseNext()
    const pack = await pairsOfPack(job.spec.pack)
    const lengths = (id: string | undefined) => {
      const { chosenIds, rejectedIds } = pack.find((pair) => pair.id === id)!
      return [chosenIds.length, rejectedIds.length]
    }
    expect([lengths(up), lengths(down), lengths(held)]).toEqual([
      [1, 0],
      [0, 1],
      [4, 5],
    ])
    await complete(job, LEARNED)
    await work(1)
    const run = await finished(runId)
    expect(run).toMatchObject({
      status: "succeeded",
      detail: { snapshot: { trainPairs: 5, verdicts: 2, heldOutPairs: 1 } },
    })
  })
})
