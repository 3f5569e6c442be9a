// A hub on this machine that speaks what @huggingface/hub 2.17.5 asks: model info, the paged file tree, and `resolve` with
// redirects of large files to a storage of another origin. It can misbehave on purpose.
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface StoredFile {
  readonly content: Uint8Array
  /** Stored in LFS: the tree lists a SHA-256, and `resolve` redirects to the storage. */
  readonly isLarge?: boolean
  /** What the tree says instead of the content's size. */
  readonly listedBytes?: number
  /** Of a file of which `content` is the beginning alone: what it would have in full. A transfer breaks off behind it. */
  readonly whole?: { readonly bytes: number; readonly digest: string }
}

export interface HubRequest {
  readonly url: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

export interface LocalHub {
  readonly endpoint: string
  /** Every request so far, to the hub and to its storage. */
  readonly requests: HubRequest[]
  /** Commits by branch, tag or themselves. */
  readonly revisions: Map<string, string>
  /** Files by commit. */
  readonly commits: Map<string, Map<string, StoredFile>>
  /** Makes a commit the head of main. */
  readonly commit: (files: Readonly<Record<string, StoredFile>>) => string
  /** Changes the answer to requests whose URL contains a text. */
  readonly misbehave: (where: string, how: Misbehaviour) => void
  readonly close: () => Promise<void>
}

export type Misbehaviour =
  /** Breaks the connection off after so many bytes of a body, so many times. */
  | { readonly kind: "break"; readonly afterBytes: number; times: number }
  /** Answers with a status, so many times. */
  | { readonly kind: "status"; readonly status: number; times: number; readonly errorCode?: string }
  /** Sends whole bodies whatever range is asked for. */
  | { readonly kind: "no-ranges" }
  /** Flips a bit of the body. */
  | { readonly kind: "corrupt" }

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
const blobSha1 = (bytes: Uint8Array) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")

/** A folder's files as a repository has them: safetensors in LFS. */
export function repositoryOf(directory: string): Record<string, StoredFile> {
  return Object.fromEntries(
    readdirSync(directory).map((name) => [
      name,
      { content: new Uint8Array(readFileSync(`${directory}/${name}`)), isLarge: name.endsWith(".safetensors") },
    ]),
  )
}

/** Starts a hub with one repository. With a token, it answers 401 to requests without it. */
export async function startLocalHub(repository: string, token?: string): Promise<LocalHub> {
  const state: HubState = { repository, token, requests: [], revisions: new Map(), commits: new Map(), faults: [] }
  const storage = createServer((request, response) => answerFromStorage(state, request, response))
  await listening(storage)
  const storageOrigin = `http://localhost:${portOf(storage)}`
  const hub = createServer((request, response) => {
    note(state, request)
    if (token && request.headers.authorization !== `Bearer ${token}`) {
      json(response, 401, { error: "Invalid username or password." })
    } else if (request.url!.startsWith("/api/")) answerApi(state, request, response)
    else answerResolve(state, request, response, storageOrigin)
  })
  await listening(hub)
  return {
    endpoint: `http://127.0.0.1:${portOf(hub)}`,
    requests: state.requests,
    revisions: state.revisions,
    commits: state.commits,
    commit: (files) => commit(state, files),
    misbehave: (where, how) => state.faults.unshift({ where, how }),
    close: async () => {
      for (const server of [hub, storage]) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
}

interface HubState {
  readonly repository: string
  readonly token: string | undefined
  readonly requests: HubRequest[]
  readonly revisions: Map<string, string>
  readonly commits: Map<string, Map<string, StoredFile>>
  readonly faults: { where: string; how: Misbehaviour }[]
}

function commit({ commits, revisions }: HubState, files: Readonly<Record<string, StoredFile>>): string {
  const contents = Object.entries(files).map(([name, { content }]) => [name, sha256(content)])
  const sha = createHash("sha1").update(JSON.stringify(contents)).digest("hex")
  commits.set(sha, new Map(Object.entries(files)))
  revisions.set("main", sha)
  revisions.set(sha, sha)
  return sha
}

function note({ requests }: HubState, { url, headers }: IncomingMessage): void {
  requests.push({ url: url!, range: headers.range, authorization: headers.authorization })
}

function faultOf({ faults }: HubState, url: string): Misbehaviour | undefined {
  return faults.find(({ where, how }) => url.includes(where) && (!("times" in how) || how.times > 0))?.how
}

/** Model info and the file tree, three entries a page. */
function answerApi(state: HubState, request: IncomingMessage, response: ServerResponse): void {
  const { repository, revisions, commits } = state
  const fault = faultOf(state, request.url!)
  if (fault?.kind === "status") {
    fault.times--
    json(response, fault.status, { error: "refused" })
    return
  }
  const url = new URL(request.url!, `http://${request.headers.host}`)
  const info = new RegExp(`^/api/models/${repository}/revision/([^/]+)$`).exec(url.pathname)
  if (info) {
    const sha = revisions.get(decodeURIComponent(info[1]!))
    const model = { _id: "1", id: repository, private: false, gated: false, downloads: 0, likes: 0 }
    if (sha) json(response, 200, { ...model, lastModified: "2026-01-01T00:00:00.000Z", sha })
    else json(response, 404, { error: `Invalid rev id: ${info[1]}` })
    return
  }
  const tree = new RegExp(`^/api/models/${repository}/tree/([^/]+)$`).exec(url.pathname)
  const entries = treeOf(commits.get(tree![1]!)!)
  const from = Number(url.searchParams.get("cursor") ?? 0)
  url.searchParams.set("cursor", String(from + 3))
  const link = from + 3 < entries.length ? { link: `<${url.href}>; rel="next"` } : {}
  json(response, 200, entries.slice(from, from + 3), link)
}

/** A file's bytes, or where the storage has them. */
function answerResolve(
  state: HubState,
  request: IncomingMessage,
  response: ServerResponse,
  storageOrigin: string,
): void {
  const file = new RegExp(`^/${state.repository}/resolve/([^/]+)/(.+)$`).exec(request.url!)
  const stored = file && state.commits.get(file[1]!)?.get(decodeURIComponent(file[2]!))
  if (!file || !stored) json(response, 404, { error: "not found" })
  else if (stored.isLarge) response.writeHead(302, { location: `${storageOrigin}/storage/${file[1]}/${file[2]}` }).end()
  else send(state, request, response, stored)
}

function answerFromStorage(state: HubState, request: IncomingMessage, response: ServerResponse): void {
  note(state, request)
  const [, sha, name] = /^\/storage\/([^/]+)\/(.+)$/.exec(request.url!)!
  send(state, request, response, state.commits.get(sha!)!.get(decodeURIComponent(name!))!)
}

function send(
  state: HubState,
  request: IncomingMessage,
  response: ServerResponse,
  { content, whole }: StoredFile,
): void {
  const fault = faultOf(state, request.url!)
  if (fault?.kind === "status") {
    fault.times--
    response.writeHead(fault.status, fault.errorCode ? { "x-error-code": fault.errorCode } : {}).end()
    return
  }
  const body = fault?.kind === "corrupt" ? content.with(content.length - 1, content.at(-1)! ^ 1) : content
  const range = fault?.kind === "no-ranges" ? undefined : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "")
  const from = range ? Number(range[1]) : 0
  const fileBytes = whole?.bytes ?? body.length
  if (from >= fileBytes && from > 0) {
    response.writeHead(416, { "content-range": `bytes */${fileBytes}` }).end()
    return
  }
  const end = range?.[2] ? Math.min(fileBytes, Number(range[2]) + 1) : fileBytes
  const rest = body.subarray(from, end)
  response.writeHead(range ? 206 : 200, {
    "content-length": end - from,
    ...(range ? { "content-range": `bytes ${from}-${end - 1}/${fileBytes}` } : {}),
  })
  if (from + rest.length < end) {
    response.write(rest, () => setTimeout(() => response.destroy(), 20))
    return
  }
  if (fault?.kind !== "break") {
    response.end(rest)
    return
  }
  fault.times--
  response.write(rest.subarray(0, fault.afterBytes), () => setTimeout(() => response.destroy(), 20))
}

function json(response: ServerResponse, status: number, value: unknown, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value))
}

function treeOf(files: ReadonlyMap<string, StoredFile>): object[] {
  const folders = new Set([...files.keys()].filter((name) => name.includes("/")).map((name) => name.split("/")[0]!))
  return [
    ...[...folders].map((path) => ({ type: "directory", path, size: 0, oid: "0".repeat(40) })),
    ...[...files].map(([path, { content, isLarge, whole, listedBytes = whole?.bytes ?? content.length }]) => ({
      type: "file",
      path,
      size: listedBytes,
      oid: isLarge ? "f".repeat(40) : blobSha1(content),
      ...(isLarge
        ? {
            lfs: { oid: whole?.digest ?? sha256(content), size: listedBytes, pointerSize: 134 },
            xetHash: "e".repeat(64),
          }
        : {}),
    })),
  ]
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, resolve))
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
