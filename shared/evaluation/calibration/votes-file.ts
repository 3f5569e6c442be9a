// A file of pairs that both people and a judge compared: {"judge", "pairs": [{"votes": [0, 0.5, 1], "judged": [0.2, 0.4], "len": [120, 340], "lists":
// [0, 4]}]}. Bytes in, typed pairs out; what cannot be understood is an error that names its pair.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import { type ListedRow, listedRows } from "../listed-rows.ts"
import type { VotedPair } from "./calibrate.ts"

export interface VotesFile {
  readonly judge: string | undefined
  readonly pairs: readonly VotedPair[]
  /** How the judge was asked, where the file says it: another prompt or temperature is another judge. */
  readonly askedAs?: HowAsked | undefined
}

export interface HowAsked {
  readonly protocol: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** SHA-256 of the prompt's template; undefined of a judge that is shown no words. */
  readonly template?: string | undefined
}

const MAX_COUNT = 1_000_000_000
const SHAPE = '{"judge": …, "pairs": [{"votes": [0, 0.5 or 1, …], "judged": [first order, second order]}]}'

const refuse = (message: string) => new UnusableJudgements(message)

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readVotesFile(bytes: Uint8Array): VotesFile {
  const notJson = `is no JSON object in UTF-8; give ${SHAPE}`
  const repeatedKey = (key: string) => `holds "${key}" twice in one object; keep one`
  const faults = { notUtf8: notJson, notJson, notObject: notJson, repeatedKey }
  const { judge, pairs, protocol, parameters, template } = readJsonObject(bytes, faults, refuse)
  const rows = listedRows(pairs, { key: "pairs", one: "pair", shape: SHAPE })
  const isAsked = typeof protocol === "string" && typeof parameters === "object" && parameters !== null
  return {
    judge: typeof judge === "string" ? judge : undefined,
    pairs: rows.map(pairOf),
    ...(isAsked && {
      askedAs: {
        protocol,
        parameters: parameters as HowAsked["parameters"],
        template: typeof template === "string" ? template : undefined,
      },
    }),
  }
}

function pairOf({ name, row }: ListedRow): VotedPair {
  const { votes, judged, len, lists } = row
  if (!Array.isArray(votes) || votes.length === 0 || !votes.every((vote) => vote === 0 || vote === 0.5 || vote === 1)) {
    throw refuse(`${name}: "votes" is no list of 0 (the first answer), 0.5 and 1 (the second), one a person`)
  }
  const isShare = (each: unknown) => typeof each === "number" && each >= 0 && each <= 1
  const isCount = (each: unknown) => typeof each === "number" && each >= 0 && each <= MAX_COUNT
  return {
    votes,
    judged: twoOf(
      judged,
      isShare,
      `${name}: "judged" is no list of two numbers from 0 (the first answer) to 1 (the second), one an order`,
    ),
    lengths: len === undefined ? undefined : twoOf(len, isCount, `${name}: "len" is no list of two lengths`),
    listItems: lists === undefined ? undefined : twoOf(lists, isCount, `${name}: "lists" is no list of two counts`),
  }
}

function twoOf(value: unknown, isOne: (each: unknown) => boolean, message: string): readonly [number, number] {
  if (Array.isArray(value) && value.length === 2 && value.every(isOne))
    return value as unknown as readonly [number, number]
  throw refuse(message)
}
