// Reconciles a dataset with the labelling tool itself: what never arrived is handed in, what was taken back without a word is taken
// back. What is stored is listed before the tool is read, so that nothing made meanwhile can look deleted; and since a deletion is for
// good, and a list that changes between two of its pages hides one of its members, it takes two readings that agree.
import { Effect, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import type { LabellingTool, WebhookEndpoint } from "#shared/domain/WebhookEndpoint.ts"
import type { Reading } from "#shared/judgement/sources/annotation.ts"
import { InvalidPreferenceRow } from "#shared/judgement/sources/record.ts"
import { timeOf } from "#shared/judgement/time-of.ts"
import { type GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { patiently } from "./call-failure.ts"
import { TOOL_APIS, type ToolAddress, type ToolEvent } from "./tool-annotations.ts"

const REPORTED = 20

/** How often the tool is read for two readings in a row that agree on what was deleted. */
const MOST_READINGS = 5

/** Nothing can be compared, or what was found cannot be meant. */
export class SyncRefused extends Schema.TaggedError<SyncRefused>()("SyncRefused", { message: Schema.String }) {}

export interface SyncOptions extends GatewayAddress {
  readonly datasetId: string
  readonly source: LabellingTool
  /** Which of the dataset's endpoints of that tool, where it has several. */
  readonly endpointId: string | undefined
  readonly tool: ToolAddress
  /** Finds, and changes nothing. */
  readonly isDryRun: boolean
  /** An empty project is meant to be one: everything of it is taken back. */
  readonly allowsEmpty: boolean
}

export interface SyncReport {
  /** Annotations in the tool. */
  readonly annotations: number
  /** Those that never arrived, or arrived as they were before. */
  readonly missing: number
  /** Those that count here and are skipped, drafts, discarded or changed into what cannot be used there. */
  readonly takenBack: number
  /** Those that count here and are not there any more. */
  readonly deleted: number
  /** Those that cannot be read, with why for the first. */
  readonly unusable: number
  /** Those that were handed in and yet do not count here, with why for the first. */
  readonly uncounted: number
  readonly problems: readonly string[]
}

interface Live {
  readonly labelledAt: number | undefined
  readonly project: string | undefined
}

type Client = Effect.Success<ReturnType<typeof makeApiClient>>

const endpointOf = Effect.fnUntraced(function* (client: Client, { datasetId, source, endpointId }: SyncOptions) {
  const { items } = yield* patiently(client.datasets.listWebhooks({ params: { id: datasetId } }))
  const fitting = items.filter((item) => item.source === source && (endpointId === undefined || item.id === endpointId))
  const [only] = fitting
  if (only !== undefined && fitting.length === 1) return only
  return yield* new SyncRefused({
    message:
      only === undefined
        ? `the dataset ${datasetId} has no such endpoint of ${source}; make one as docs/api.md says`
        : `the dataset ${datasetId} has several endpoints of ${source}; name one with --endpoint: ${fitting.map(({ id }) => id).join(", ")}`,
  })
})

/** What counts here of an endpoint, by external id. */
const liveOf = Effect.fnUntraced(function* (client: Client, { datasetId, id }: WebhookEndpoint) {
  const live = new Map<string, Live>()
  let cursor: string | undefined
  do {
    const query = { endpoint: id, limit: 100, ...(cursor === undefined ? {} : { cursor }) }
    const page = yield* patiently(client.comparisons.list({ params: { id: datasetId }, query }))
    for (const { externalId, status, labelledAt, toolProject } of page.items)
      if (status !== "superseded" && status !== "retracted") live.set(externalId, { labelledAt, project: toolProject })
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return live
})

const readTool = Effect.fnUntraced(function* ({ source, tool }: SyncOptions) {
  const events: ToolEvent[] = []
  for (let index = 0; ; index++) {
    const page = yield* TOOL_APIS[source].page(tool, index)
    events.push(...page.events)
    if (page.isLast) return events
  }
})

interface Found {
  readonly missing: ToolEvent[]
  readonly takenBack: ToolEvent[]
  /** What was judged is something else now, which cannot be used. */
  readonly changed: ToolEvent[]
  readonly deleted: ToolEvent[]
  readonly problems: string[]
}

const isKnown = (known: Live | undefined, labelledAt: string | undefined): boolean =>
  known !== undefined &&
  (labelledAt === undefined || known.labelledAt === undefined || known.labelledAt >= timeOf(labelledAt))

/** Compares what the tool holds with what counts here, through the tool's reader and the endpoint's mapping. */
const compare = (
  events: readonly ToolEvent[],
  live: ReadonlyMap<string, Live>,
  { mapping }: WebhookEndpoint,
  { source, tool }: SyncOptions,
): Found => {
  const { read, deletion } = TOOL_APIS[source]
  const found: Found = { missing: [], takenBack: [], changed: [], deleted: [], problems: [] }
  const readings = (event: object): readonly Reading[] => {
    try {
      return read(event, mapping)
    } catch (error) {
      if (error instanceof InvalidPreferenceRow) return [{ kind: "refusal", refusal: error } satisfies Reading]
      throw error
    }
  }
  for (const each of events) {
    const { externalId, event } = each
    for (const reading of readings(event)) {
      const known = live.get(externalId)
      if (reading.kind === "refusal") {
        found.problems.push(`${externalId}: ${reading.refusal.message}`)
        if (known !== undefined && !isKnown(known, reading.replaced?.at)) found.changed.push(each)
      } else if (reading.kind !== "comparison") {
        if (known !== undefined) found.takenBack.push(each)
      } else if (!isKnown(known, reading.comparison.labelledAt)) found.missing.push(each)
    }
  }
  for (const externalId of absentFrom(events, live, tool))
    found.deleted.push({ externalId, event: deletion(externalId, tool) })
  return found
}

/** What counts here of the tool's project and is not among what the tool lists. */
const absentFrom = (
  events: readonly ToolEvent[],
  live: ReadonlyMap<string, Live>,
  { project }: ToolAddress,
): readonly string[] => {
  const there = new Set(events.map(({ externalId }) => externalId))
  return [...live].flatMap(([externalId, known]) =>
    known.project === project && !there.has(externalId) ? [externalId] : [],
  )
}

/** What the tool holds, read until two readings in a row lack the same of what counts here. */
const readSettled = Effect.fnUntraced(function* (options: SyncOptions, live: ReadonlyMap<string, Live>) {
  let [events, agreed] = [yield* readTool(options), ""]
  for (let readings = 1; ; readings++) {
    const absent = absentFrom(events, live, options.tool)
    const said = JSON.stringify(absent)
    if (absent.length === 0 || said === agreed) return events
    if (readings >= MOST_READINGS)
      return yield* new SyncRefused({
        message: `the tool's list changed in each of ${readings} readings, so that what was deleted there cannot be told; sync again when less is deleted at once`,
      })
    ;[events, agreed] = [yield* readTool(options), said]
  }
})

const uncountedWords = (externalId: string, reason = "it was taken back or replaced here after that"): string =>
  `${externalId}: was handed in and changes nothing here: ${reason}; if what the tool says must count, let it be said again there`

/**
 * Finds what differs and mends it. Fails with ToolUnreadable, SyncRefused, CallRefused (the gateway's words) or
 * GatewayUnavailable.
 */
export const syncAnnotations = Effect.fn("syncAnnotations")(function* (options: SyncOptions) {
  const client = yield* makeApiClient(options)
  const endpoint = yield* endpointOf(client, options)
  const live = yield* liveOf(client, endpoint)
  const events = yield* readSettled(options, live)
  const found = compare(events, live, endpoint, options)
  if (events.length === 0 && found.deleted.length > 0 && !options.allowsEmpty)
    return yield* new SyncRefused({
      message: `the tool shows no annotation of project ${options.tool.project}, and ${found.deleted.length} count here; if all were deleted, give --allow-empty`,
    })
  const uncounted: string[] = []
  const deliver = ({ event }: ToolEvent) =>
    patiently(client.deliveries.deliver({ params: { endpointId: endpoint.id }, payload: event }))
  const handIn = (each: ToolEvent) =>
    deliver(each).pipe(
      Effect.tap(({ status, reason }) =>
        Effect.sync(() => void (status === "accepted" || uncounted.push(uncountedWords(each.externalId, reason)))),
      ),
      Effect.catchTag("CallRefused", ({ message }) => Effect.sync(() => void found.problems.push(message))),
    )
  // That it is refused was told already, and what it said before goes with that.
  const handInChanged = (each: ToolEvent) =>
    deliver(each).pipe(
      Effect.catchTag("CallRefused", ({ status, message }) =>
        Effect.sync(() => void (status === 422 || found.problems.push(message))),
      ),
    )
  if (!options.isDryRun) {
    yield* Effect.forEach([...found.deleted, ...found.takenBack, ...found.missing], handIn, { discard: true })
    yield* Effect.forEach(found.changed, handInChanged, { discard: true })
  }
  return {
    annotations: events.length,
    missing: found.missing.length,
    takenBack: found.takenBack.length + found.changed.length,
    deleted: found.deleted.length,
    unusable: found.problems.length,
    uncounted: uncounted.length,
    problems: [...found.problems, ...uncounted].slice(0, REPORTED),
  } satisfies SyncReport
}, Effect.provide(FetchHttpClient.layer))
