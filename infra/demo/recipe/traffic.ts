// The labelling tools' traffic as a stream of deliveries: every comparison once, and between them what goes wrong in real
// traffic: repeats, drafts, ties, empty or identical answers, wrong signatures.
import { CARRIERS, type Carrier, deliveryBody, type JsonObject, type TrafficEvent } from "./carriers.ts"
import {
  ANNOTATORS,
  type CountTokens,
  type LabelledComparison,
  makeAnswerPair,
  makeDistinctQuestion,
} from "./comparisons.ts"
import type { SeededRandom } from "./random.ts"
import { LANGUAGES, SETTINGS } from "./topics.ts"

const FIRST_LABEL = Date.UTC(2026, 9, 5, 0, 30)
const PAIR_FOLLOWS = { outcome: "accepted", pairs: 1 } as const

type Mishap = (spare: LabelledComparison, at: Date, random: SeededRandom) => Omit<TrafficEvent, "id">

/** Deliveries of comparisons that are not in the training data; each gets a fresh comparison with a prompt of its own. */
const MISHAPS: readonly Mishap[] = [
  (spare, at, random) => rejected("argilla", "empty-response", withSecond(spare, ""), at, random),
  (spare, at, random) => rejected("native", "empty-response", withSecond(spare, ""), at, random),
  (spare, at, random) => rejected("label-studio", "identical-responses", withTwice(spare), at, random),
  (spare, at, random) => rejected("native", "identical-responses", withTwice(spare), at, random),
  (spare, at, random) => ({ ...rejected("argilla", "invalid-signature", spare, at, random), sign: "wrong" }),
  (spare, at, random) => ({ ...rejected("label-studio", "invalid-signature", spare, at, random), sign: "wrong" }),
  (spare, at, random) => {
    const body = deliveryBody("native", spare, at, random)
    const judgement = { kind: "choice", winner: "c" }
    return {
      carrier: "native",
      expect: { outcome: "rejected", reason: "unknown-candidate" },
      body: { ...body, judgement },
    }
  },
  (spare, at, random) => {
    const body = deliveryBody("native", spare, at, random)
    return {
      carrier: "native",
      expect: { outcome: "rejected", reason: "unknown-field" },
      body: { ...body, winer: "a" },
    }
  },
  (spare, at, random) => tie("argilla", spare, at, random),
  (spare, at, random) => tie("native", spare, at, random),
  (spare, at, random) => ignored("argilla", spare, at, random),
  (spare, at, random) => ignored("label-studio", spare, at, random),
]

/** The first answer beside another text. */
function withSecond(spare: LabelledComparison, text: string): LabelledComparison {
  const [first] = spare.answers
  return { ...spare, answers: [first, { text, parts: first.parts }] }
}

function withTwice(spare: LabelledComparison): LabelledComparison {
  return withSecond(spare, spare.answers[0].text)
}

function rejected(
  carrier: Carrier,
  reason: "empty-response" | "identical-responses" | "invalid-signature",
  spare: LabelledComparison,
  at: Date,
  random: SeededRandom,
): Omit<TrafficEvent, "id"> {
  return { carrier, expect: { outcome: "rejected", reason }, body: deliveryBody(carrier, spare, at, random) }
}

function tie(carrier: Carrier, spare: LabelledComparison, at: Date, random: SeededRandom): Omit<TrafficEvent, "id"> {
  const body = deliveryBody(carrier, spare, at, random, { judgement: "tie" })
  return { carrier, expect: { outcome: "accepted", pairs: 0 }, body }
}

function ignored(
  carrier: Carrier,
  spare: LabelledComparison,
  at: Date,
  random: SeededRandom,
): Omit<TrafficEvent, "id"> {
  const body = deliveryBody(carrier, spare, at, random, { isUnfinished: true })
  return { carrier, expect: { outcome: "ignored" }, body }
}

/** Labels come one to six minutes apart. */
function* labelTimes(random: SeededRandom): Generator<Date> {
  for (let time = FIRST_LABEL; ; time += 60_000 + 1000 * random.below(300)) yield new Date(time)
}

/** All deliveries in the order in which they are sent. */
export function makeTraffic(
  random: SeededRandom,
  comparisons: readonly LabelledComparison[],
  countTokens: CountTokens,
): TrafficEvent[] {
  const times = labelTimes(random)
  const nextTime = (): Date => times.next().value as Date
  const events = comparisons.map((comparison): TrafficEvent => {
    const carrier = random.pick(CARRIERS)
    const body = deliveryBody(carrier, comparison, nextTime(), random)
    return { id: comparison.id, carrier, expect: PAIR_FOLLOWS, body }
  })
  const spares = makeSpares(random, comparisons, countTokens)
  for (const [index, mishap] of MISHAPS.entries()) {
    const place = 20 + random.below(events.length - 20)
    const spare = spares[index]!
    const at = new Date(labelTimeOf(events[place]!.body).getTime() + 1000 * (1 + random.below(50)))
    events.splice(place, 0, { id: spare.id, ...mishap(spare, at, random) })
  }
  for (const carrier of CARRIERS) repeatOne(random, events, carrier)
  return events
}

/** Sends one accepted delivery of the carrier again, byte for byte, somewhat later. */
function repeatOne(random: SeededRandom, events: TrafficEvent[], carrier: Carrier): void {
  const accepted = events.flatMap((event, place) =>
    event.carrier === carrier && event.expect === PAIR_FOLLOWS && place + 40 < events.length ? [place] : [],
  )
  const place = random.pick(accepted)
  const repeated = events[place]!
  events.splice(place + 1 + random.below(30), 0, { ...repeated, expect: { outcome: "duplicate" } })
}

function labelTimeOf(body: JsonObject): Date {
  const annotation = body.annotation as JsonObject | undefined
  return new Date(String(body.timestamp ?? body.labelledAt ?? annotation?.created_at))
}

function makeSpares(
  random: SeededRandom,
  comparisons: readonly LabelledComparison[],
  countTokens: CountTokens,
): LabelledComparison[] {
  const prompts = new Set(comparisons.map(({ question }) => question.prompt))
  return MISHAPS.map((_, index) => {
    const question = makeDistinctQuestion(random, random.pick(SETTINGS), random.pick(LANGUAGES), prompts)
    const answers = makeAnswerPair(random, question, countTokens)
    const id = `row-${String(9001 + index)}`
    return { id, question, answers, annotator: random.pick(ANNOTATORS), better: 0, labelled: 0 }
  })
}
