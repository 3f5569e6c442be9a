// A comparison that work does not survive: those beside it go through, it goes alone, then it is parked with the reason.
import { beforeEach, describe, expect, it, vi } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import type { Environment } from "#workers/scorer/Environment.ts"
import { BROKE_OFF, MOST_TRIES } from "#workers/scorer/Tries.ts"
import {
  bindings,
  choice,
  comparisonStates,
  deliver,
  outbox,
  pairs,
  receive,
  receiveLines,
  startWorld,
} from "./world.ts"

beforeEach(startWorld)

const ALONE_AT = "second"

/** An environment whose payload store does something else with one blob. */
const withPayload = (digest: string, read: () => Promise<never>): Environment => ({
  ...bindings,
  BLOBS: new Proxy(bindings.BLOBS, {
    get: (target, name) =>
      name === "get"
        ? (key: string) => (key.endsWith(digest) ? read() : target.get(key))
        : Reflect.get(target, name).bind(target),
  }),
})

/** An environment in which writing the pairs of one comparison throws, where nothing foresees it. */
const throwingOver = (comparisonId: string): Environment => ({
  ...bindings,
  DB: new Proxy(bindings.DB, {
    get: (target, name) => {
      if (name !== "prepare") return Reflect.get(target, name).bind(target)
      return (sql: string) => {
        const statement = target.prepare(sql)
        if (!sql.includes("INSERT INTO pairs")) return statement
        const bind = (...values: unknown[]) => {
          if (values.includes(comparisonId)) throw new TypeError("a pair like no other")
          return statement.bind(...values)
        }
        return { bind }
      }
    },
  }),
})

/** A line in a blob of its own, so that reading it is working on it. */
const receivePoison = async (): Promise<{ id: string; digest: string }> => {
  const line = JSON.stringify(choice("poison", "the", "an"))
  const [id] = await receiveLines([line])
  return { id: id!, digest: await sha256Hex(line) }
}

/** The isolate dies: what it began never ends, and nobody hears of it. */
const deliverAndDie = async (ids: readonly string[], digest: string): Promise<void> => {
  let isReached = () => {}
  const reached = new Promise<void>((resolve) => {
    isReached = resolve
  })
  const environment = withPayload(digest, () => {
    isReached()
    return new Promise<never>(() => {})
  })
  void deliver(ids, environment).catch(() => {})
  await reached
}

const tries = async () =>
  Object.fromEntries(
    (
      await bindings.DB.prepare("SELECT comparison_id, tries FROM outbox").all<{
        comparison_id: string
        tries: number
      }>()
    ).results.map((row) => [row.comparison_id, row.tries]),
  )

const innocents = () => receive([choice("hello", "the", "an"), choice("hello", "he", "and", ALONE_AT)])

describe("a comparison that kills the isolate", () => {
  it("is worked on alone from the third delivery on, behind the others at the fourth, and is parked at the sixth", async () => {
    const others = await innocents()
    const { id, digest } = await receivePoison()
    const ids = [...others, id]
    await deliverAndDie(ids, digest)
    await deliverAndDie(ids, digest)
    expect(await comparisonStates()).toEqual(Object.fromEntries(ids.map((each) => [each, "received"])))
    expect(await tries()).toEqual(Object.fromEntries(ids.map((each) => [each, 2])))
    await deliverAndDie(ids, digest)
    expect((await tries())[id]).toBe(3)
    await deliverAndDie(ids, digest)
    expect(await comparisonStates()).toEqual({ [others[0]!]: "paired", [others[1]!]: "paired", [id]: "received" })
    expect(await outbox()).toEqual([{ comparison_id: id, last_error: BROKE_OFF }])
    await deliverAndDie(ids, digest)
    expect(await tries()).toEqual({ [id]: MOST_TRIES })
    vi.spyOn(console, "error").mockImplementation(() => {})
    expect(await deliver(ids)).toEqual({ acknowledged: ids, retried: [] })
    expect((await comparisonStates())[id]).toBe(`parked: given up after 5 tries: ${BROKE_OFF}`)
    expect(await outbox()).toEqual([])
    expect((await pairs()).map((pair) => pair.comparison_id).toSorted()).toEqual(others.toSorted())
  })

  it("holds up no newcomer once it is known: it is worked on last", async () => {
    const { id, digest } = await receivePoison()
    await deliverAndDie([id], digest)
    await deliverAndDie([id], digest)
    const [newcomer] = await receive([choice("hello", "the", "an")])
    await deliverAndDie([id, newcomer!], digest)
    expect(await comparisonStates()).toMatchObject({ [newcomer!]: "paired", [id]: "received" })
  })

  it("becomes pairs after all when a try that was given up ends late", async () => {
    const { id, digest } = await receivePoison()
    let goOn = () => {}
    const environment = withPayload(digest, async () => {
      await new Promise<void>((resolve) => {
        goOn = resolve
      })
      return (await bindings.BLOBS.get(`blobs/${digest}`)) as never
    })
    const late = deliver([id], environment)
    await vi.waitUntil(async () => (await tries())[id] === 1)
    await bindings.DB.batch([
      bindings.DB.prepare("UPDATE comparisons SET status = 'parked', reason = 'for now' WHERE id = ?").bind(id),
      bindings.DB.prepare("DELETE FROM outbox"),
    ])
    await new Promise((resolve) => setTimeout(resolve, 50))
    goOn()
    await late
    expect(await comparisonStates()).toEqual({ [id]: "paired" })
  })
})

describe("a comparison over which the code throws", () => {
  it("is parked with what was thrown, and the others go through", async () => {
    vi.spyOn(console, "log").mockImplementation(() => {})
    vi.spyOn(console, "error").mockImplementation(() => {})
    const others = await innocents()
    const { id } = await receivePoison()
    const environment = throwingOver(id)
    const ids = [...others, id]
    expect((await deliver(ids, environment)).retried.toSorted()).toEqual(ids.toSorted())
    expect(new Set((await outbox()).map(({ last_error }) => last_error))).toEqual(new Set(["a pair like no other"]))
    for (let delivery = 2; delivery <= MOST_TRIES; delivery++) await deliver(ids, environment)
    expect(await comparisonStates()).toMatchObject({ [others[0]!]: "paired", [others[1]!]: "paired" })
    expect((await deliver(ids, environment)).retried).toEqual([])
    expect((await comparisonStates())[id]).toBe("parked: given up after 5 tries: a pair like no other")
  })
})

describe("a failure that was foreseen", () => {
  it("counts as nobody's try: the comparison waits as long as it lasts", async () => {
    const { id, digest } = await receivePoison()
    const gone = withPayload(digest, () => Promise.reject(new Error("R2 is away")))
    for (let delivery = 0; delivery < 2 * MOST_TRIES; delivery++)
      expect((await deliver([id], gone)).retried).toEqual([id])
    expect(await tries()).toEqual({ [id]: 0 })
    expect((await deliver([id])).acknowledged).toEqual([id])
    expect(await comparisonStates()).toEqual({ [id]: "paired" })
  })
})

describe("a failure that was foreseen, after others that were not", () => {
  it("takes back those too: what it ended in, the comparison survived", async () => {
    const { id, digest } = await receivePoison()
    await deliverAndDie([id], digest)
    await deliverAndDie([id], digest)
    expect(await tries()).toEqual({ [id]: 2 })
    const gone = withPayload(digest, () => Promise.reject(new Error("R2 is away")))
    expect((await deliver([id], gone)).retried).toEqual([id])
    expect(await tries()).toEqual({ [id]: 0 })
  })
})

describe("a ranking of 8,000 candidates that is stored already", () => {
  it("is dropped for its size, and holds up nobody", async () => {
    const ids = Array.from({ length: 8000 }, (_, index) => `c${index}`)
    const monster = {
      externalId: "monster",
      prompt: "hello",
      candidates: ids.map((id) => ({ id, response: `r${id}` })),
      judgement: { kind: "ranking", ranks: Object.fromEntries(ids.map((id, index) => [id, index])) },
    } as unknown as Comparison
    const [bad, good] = await receive([monster, choice("hello", "the", "an")])
    expect((await deliver([bad, good])).retried).toEqual([])
    const states = await comparisonStates()
    expect(states[bad!]).toMatch(/^dropped: invalid payload: .*at most 64/s)
    expect(states[good!]).toBe("paired")
  })
})
