// Laws of the length budget, for any lengths: what is cut, what never is, and what no length may lead to.
import fc from "fast-check"
import { expect, test } from "vitest"
import { PairOverLength, Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { byteIds, EOS, tokenizerConfigJson, tokenizerJson } from "./byte-level-tokenizer.ts"

const tokenisation = Tokenisation.fromFiles({ tokenizerJson: tokenizerJson(), tokenizerConfigJson })
const letters = (letter: string) => fc.integer({ min: 1, max: 12 }).map((length) => letter.repeat(length))
const cases = fc.record({
  prompt: letters("p"),
  // The same letters with another length: one response is the beginning of the other, up to its EOS.
  chosen: fc.oneof(letters("x"), letters("y")),
  rejected: letters("x"),
  maxLength: fc.integer({ min: 2, max: 28 }),
})

const whole = (text: string) => [...byteIds(text), EOS]
const sizes = ({ prompt, chosen, rejected }: { prompt: string; chosen: string; rejected: string }) => {
  const promptTokens = 1 + prompt.length
  return { promptTokens, longest: promptTokens + Math.max(chosen.length, rejected.length) + 1 }
}

function dropReason(
  pair: { chosen: string; rejected: string },
  room: number,
  chosen: readonly number[],
  rejected: readonly number[],
): string | undefined {
  if (pair.chosen === pair.rejected) return "identical"
  if (room < 1) return "over-length"
  return chosen.join() === rejected.join() ? "identical" : undefined
}

test("truncate: both responses keep their first tokens up to one budget, at least one each, and the prompt all of its own", () => {
  fc.assert(
    fc.property(cases, ({ maxLength, ...pair }) => {
      const result = tokenisation.tokenisePair(pair, { maxLength, overflow: "truncate" })
      const { promptTokens, longest } = sizes(pair)
      const room = maxLength - promptTokens
      const [chosen, rejected] = [
        whole(pair.chosen).slice(0, Math.max(0, room)),
        whole(pair.rejected).slice(0, Math.max(0, room)),
      ]
      const reason = dropReason(pair, room, chosen, rejected)
      if (result._tag === "Dropped") {
        expect(result.reason).toBe(reason)
        return
      }
      expect(reason).toBeUndefined()
      expect(result.promptIds.length).toBe(promptTokens)
      expect([...result.chosenIds]).toEqual(chosen)
      expect([...result.rejectedIds]).toEqual(rejected)
      expect(Math.min(result.chosenIds.length, result.rejectedIds.length)).toBeGreaterThanOrEqual(1)
      expect(result.truncated).toBe(longest > maxLength)
    }),
    { numRuns: 500 },
  )
})

test("drop and error: what fits is left whole, what does not is dropped, or named with its length", () => {
  fc.assert(
    fc.property(cases, ({ maxLength, ...pair }) => {
      fc.pre(pair.chosen !== pair.rejected)
      const { longest } = sizes(pair)
      const dropped = tokenisation.tokenisePair(pair, { maxLength })
      const policy = { maxLength, overflow: "error" } as const
      if (longest > maxLength) {
        expect(dropped).toMatchObject({ reason: "over-length" })
        expect(() => tokenisation.tokenisePair(pair, policy)).toThrow(PairOverLength)
        expect(() => tokenisation.tokenisePair(pair, policy)).toThrow(`needs ${longest} tokens`)
      } else {
        if (dropped._tag === "Dropped") throw new Error(`dropped as ${dropped.reason}`)
        expect([...dropped.chosenIds]).toEqual(whole(pair.chosen))
        expect(dropped).toEqual(tokenisation.tokenisePair(pair, policy))
      }
    }),
    { numRuns: 500 },
  )
})

test("a single response follows the same budget", () => {
  fc.assert(
    fc.property(cases, ({ maxLength, prompt, chosen }) => {
      const result = tokenisation.tokeniseResponse({ prompt, response: chosen }, { maxLength, overflow: "truncate" })
      const room = maxLength - 1 - prompt.length
      if (room < 1) expect(result).toMatchObject({ reason: "over-length" })
      else expect(result._tag === "Tokenised" && [...result.responseIds]).toEqual(whole(chosen).slice(0, room))
    }),
  )
})

test("a pad token that is the EOS changes nothing: nothing is padded, and the EOS is scored", () => {
  const padded = Tokenisation.fromFiles({
    tokenizerJson: { ...tokenizerJson(), padding: { strategy: "BatchLongest", pad_id: EOS, pad_token: "</s>" } },
    tokenizerConfigJson: { ...tokenizerConfigJson, pad_token: "</s>", padding_side: "left" },
  })
  const pair = { prompt: "p", chosen: "ab", rejected: "c" }
  const result = padded.tokenisePair(pair, { maxLength: 20 })
  expect(result).toEqual(tokenisation.tokenisePair(pair, { maxLength: 20 }))
  expect(result._tag === "Tokenised" && result.chosenIds.at(-1)).toBe(EOS)
})
