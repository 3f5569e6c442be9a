// What a labelling tool's own API holds, each annotation as the event that the tool's webhook would deliver about it now. Nothing is
// judged here: the events are read by the tool's one reader.
import { Effect, Schema } from "effect"
import type { LabellingTool } from "#shared/domain/WebhookEndpoint.ts"
import type { Reading } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"

const PAGE = 100

/** The tool's API did not give what was asked. */
export class ToolUnreadable extends Schema.TaggedError<ToolUnreadable>()("ToolUnreadable", {
  message: Schema.String,
}) {}

export interface ToolAddress {
  readonly url: string
  readonly token: string
  /** Of Label Studio a project's id, of Argilla a dataset's. */
  readonly project: string
}

export interface ToolEvent {
  readonly externalId: string
  readonly event: object
}

export interface LabellingToolApi {
  /** One page of what the tool holds; `isLast` after which there is none. */
  readonly page: (
    address: ToolAddress,
    index: number,
  ) => Effect.Effect<{ readonly events: readonly ToolEvent[]; readonly isLast: boolean }, ToolUnreadable>
  readonly deletion: (externalId: string, address: ToolAddress) => object
  readonly read: (event: unknown, options: object) => readonly Reading[]
}

type Fields = Readonly<Record<string, unknown>>

const unreadable = (url: string, why: string) => new ToolUnreadable({ message: `${url}: ${why}` })

const ask = (url: string, request: RequestInit) =>
  Effect.tryPromise({
    try: async () => {
      const response = await fetch(url, request)
      if (!response.ok) throw new Error(`answers ${response.status}; is it the right address, project and key?`)
      return (await response.json()) as Fields
    },
    catch: (cause) => unreadable(url, cause instanceof Error ? cause.message : String(cause)),
  })

const listOf = (url: string, value: unknown, name: string): Effect.Effect<readonly Fields[], ToolUnreadable> =>
  Array.isArray(value) ? Effect.succeed(value) : Effect.fail(unreadable(url, `its answer holds no list \`${name}\``))

/** A personal access token is changed into one that lives some minutes; a legacy token is sent as it is. */
const labelStudioKey = ({ url, token }: ToolAddress) =>
  token.split(".").length === 3
    ? ask(`${url}/api/token/refresh`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ refresh: token }),
      }).pipe(Effect.map(({ access }) => `Bearer ${String(access)}`))
    : Effect.succeed(`Token ${token}`)

const labelStudio: LabellingToolApi = {
  page: Effect.fnUntraced(function* (address, index) {
    const { url, project } = address
    const authorization = yield* labelStudioKey(address)
    const query = new URLSearchParams({ project, page: String(index + 1), page_size: String(PAGE), fields: "all" })
    const where = `${url}/api/tasks?${query}`
    const { tasks, total } = yield* ask(where, { headers: { authorization } })
    const listed = yield* listOf(where, tasks, "tasks")
    const events = listed.flatMap((task) => {
      const annotations = Array.isArray(task.annotations) ? (task.annotations as Fields[]) : []
      return annotations.map((annotation) => ({
        externalId: String(annotation.id),
        event: {
          action: "ANNOTATION_UPDATED",
          annotation,
          task: { id: task.id, data: task.data },
          project: { id: Number.isSafeInteger(Number(project)) ? Number(project) : project },
        },
      }))
    })
    const isLast = listed.length < PAGE || (typeof total === "number" && (index + 1) * PAGE >= total)
    return { events, isLast }
  }),
  deletion: (id) => ({ action: "ANNOTATIONS_DELETED", annotations: [{ id }] }),
  read: readLabelStudioEvent,
}

const argilla: LabellingToolApi = {
  page: Effect.fnUntraced(function* ({ url, token, project }, index) {
    const query = new URLSearchParams({ include: "responses", offset: String(index * PAGE), limit: String(PAGE) })
    const address = `${url}/api/v1/datasets/${encodeURIComponent(project)}/records?${query}`
    const { items } = yield* ask(address, { headers: { "x-argilla-api-key": token } })
    const records = yield* listOf(address, items, "items")
    const events = records.flatMap(({ responses, ...record }) =>
      (Array.isArray(responses) ? (responses as Fields[]) : []).map((response) => ({
        externalId: String(response.id),
        event: {
          type: "response.updated",
          timestamp: new Date().toISOString(),
          data: { ...response, record: { ...record, dataset: { id: project } } },
        },
      })),
    )
    return { events, isLast: records.length < PAGE }
  }),
  deletion: (id) => ({ type: "response.deleted", timestamp: new Date().toISOString(), data: { id } }),
  read: readArgillaEvent,
}

export const TOOL_APIS: Readonly<Record<LabellingTool, LabellingToolApi>> = { argilla, "label-studio": labelStudio }
