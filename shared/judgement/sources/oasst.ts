// OpenAssistant message trees: an assistant's replies to one message are siblings with ranks, 0 the best. Every two ranked siblings
// are a pair whose prompt is the way to them from the root. Other fields of a message are the tool's own and left alone.
import { rankedPairs } from "./ranked-pairs.ts"
import {
  type DroppedPart,
  dropped,
  type Fields,
  InvalidPreferenceRow,
  isRecord,
  type Message,
  nameIn,
  readRecords,
  readString,
  type Shape,
  type StatedComparison,
  type StatedPair,
} from "./record.ts"
import { namesOf, type Retraction } from "./retraction.ts"

export const oasst: Shape = {
  name: "OASST trees",
  recognises: (fields) => "message_tree_id" in fields && isRecord(fields.prompt),
  names: ({ prompt }) => (isRecord(prompt) ? answeredIn(prompt) : []),
  read: ({ prompt }) => {
    const found: Found = { comparisons: [], pairs: [], dropped: [] }
    collect(prompt as Fields, [], "prompt", found)
    const isSilent = found.pairs.length + found.dropped.length === 0
    return isSilent ? dropped("unlabelled", "the tree has no two ranked answers to one message") : found
  },
}

const ROLES: Readonly<Record<string, string>> = { prompter: "user", assistant: "assistant" }

interface Found {
  readonly comparisons: StatedComparison[]
  readonly pairs: StatedPair[]
  readonly dropped: DroppedPart[]
}

function collect(node: Fields, before: readonly Message[], path: string, found: Found): void {
  const conversation = [...before, messageOf(node, path)]
  const replies = node.replies === undefined || node.replies === null ? [] : readRecords(node, "replies", `${path}.`)
  const answers = replies.filter((reply) => reply.role === "assistant" && isUsable(reply, found.dropped))
  const ranked = answers.filter(({ rank }) => typeof rank === "number")
  if (ranked.length > 1) {
    const id = readString(node, "message_id", `${path}.`)
    const candidates = ranked.map((reply) => ({
      name: readString(reply, "message_id"),
      response: [messageOf(reply, `${path}.replies`)],
      score: -(reply.rank as number),
    }))
    const stated = rankedPairs(id, conversation, candidates)
    found.comparisons.push(...(stated.comparisons ?? []))
    found.pairs.push(...(stated.pairs ?? []))
    found.dropped.push(...(stated.dropped ?? []))
  }
  replies.forEach((reply, index) => {
    collect(reply, conversation, `${path}.replies.${index}`, found)
  })
}

/** Messages with answers, which could be ranked. */
function answeredIn(node: Fields): readonly Retraction[] {
  const replies = Array.isArray(node.replies) ? node.replies.filter(isRecord) : []
  const own = replies.some(({ role }) => role === "assistant") ? namesOf(nameIn(node, "message_id")) : []
  return [...own, ...replies.flatMap(answeredIn)]
}

/** Deleted messages, and those that the reviewers refused, are no answers. */
function isUsable({ deleted, review_result: review }: Fields, parts: DroppedPart[]): boolean {
  if (deleted === true) parts.push({ reason: "deleted", detail: "an answer was deleted" })
  else if (review === false) parts.push({ reason: "bad-quality", detail: "an answer did not pass its review" })
  return deleted !== true && review !== false
}

function messageOf(node: Fields, path: string): Message {
  const name = readString(node, "role", `${path}.`)
  const role = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined
  if (role === undefined) throw new InvalidPreferenceRow(`${path}.role`, "must be prompter or assistant")
  return { role, content: readString(node, "text", `${path}.`) }
}
