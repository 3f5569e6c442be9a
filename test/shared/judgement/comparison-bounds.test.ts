import { describe, expect, it } from "vitest"
import type { Comparison, Judgement } from "#shared/judgement/Comparison.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"

const NOW = Date.parse("2026-11-28T12:00:00Z")

const comparing = (candidates: number, judgement: Judgement, prompt: Comparison["prompt"] = "why?"): Comparison => ({
  externalId: "one",
  prompt,
  candidates: Array.from({ length: candidates }, (_, index) => ({
    id: `c${index}`,
    response: `r${index}`,
  })) as unknown as Comparison["candidates"],
  judgement,
})

const dated = (labelledAt: string) =>
  findComparisonFault({ ...comparing(2, { kind: "choice", winner: "c0" }), labelledAt }, NOW)?.reason

describe("a date", () => {
  it.each(["1970-01-01T00:00:00Z", "2024-02-29T09:30:00+09:00", "2026-11-29T11:59:59Z", "2026-11-24T09:30"])(
    "%s can be when something was said",
    (date) => expect(dated(date)).toBeUndefined(),
  )

  it.each([
    "2026-02-29T09:30:00Z",
    "2100-02-28T00:00:00Z",
    "2026-04-31T09:30:00Z",
    "2026-00-10T09:30:00Z",
    "2026-13-01T09:30:00Z",
    "2026-11-24T25:00:00Z",
    "2026-11-29T12:00:01Z",
    "9999-12-31T23:59:59Z",
    "1969-12-31T23:59:59Z",
    "2026-11-24",
    "yesterday",
  ])("%s cannot", (date) => expect(dated(date)).toBe("unusable-date"))
})

describe("text", () => {
  const ranks = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`c${index}`, index]))

  it("is bounded for all pairs together: a prompt of 262,144 characters goes with two candidates and not with nine", () => {
    const prompt = "x".repeat(262_144)
    expect(findComparisonFault(comparing(2, { kind: "choice", winner: "c0" }, prompt), NOW)).toBeUndefined()
    expect(findComparisonFault(comparing(8, { kind: "choice", winner: "c0" }, prompt), NOW)).toBeUndefined()
    expect(findComparisonFault(comparing(9, { kind: "choice", winner: "c0" }, prompt), NOW)).toEqual({
      reason: "too-much-text",
      detail:
        "its pairs have up to 2097184 characters together, at most 2097152 are taken; send fewer candidates at a time, or shorter texts",
    })
    expect(findComparisonFault(comparing(9, { kind: "tie" }, prompt), NOW)).toBeUndefined()
  })

  it("counts the pairs of a ranking, 64 at most, and a conversation by its messages", () => {
    const long = (characters: number) => comparing(64, { kind: "ranking", ranks: ranks(64) }, "x".repeat(characters))
    expect(findComparisonFault(long(32_762), NOW)).toBeUndefined()
    expect(findComparisonFault(long(32_763), NOW)?.reason).toBe("too-much-text")
    const chat: Comparison = {
      ...comparing(2, { kind: "choice", winner: "c0" }),
      prompt: [{ role: "user", content: "x".repeat(2_000_000) }],
      candidates: [
        { id: "c0", response: [{ role: "assistant", content: "y".repeat(48_576) }] },
        { id: "c1", response: [{ role: "assistant", content: "z" }] },
      ],
    }
    expect(findComparisonFault(chat, NOW)).toBeUndefined()
    expect(
      findComparisonFault({ ...chat, prompt: [{ role: "user", content: "x".repeat(2_000_001) }] }, NOW)?.reason,
    ).toBe("too-much-text")
  })
})
