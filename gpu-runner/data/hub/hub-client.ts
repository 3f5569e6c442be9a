// What is asked of a hub before files are fetched, through @huggingface/hub: the commit of a revision, and its files with
// sizes and checksums. Errors of the library become typed ones that say the mend.
import { HubApiError, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub"
import { HubRefused, HubUnreachable, UnusableRepository } from "./errors.ts"

/** A file of a repository at a commit. Large files have a SHA-256, small ones the SHA-1 of git's blob. */
export interface HubFile {
  readonly path: string
  readonly sizeBytes: number
  readonly algorithm: "sha256" | "git-sha1"
  readonly digest: string
}

export interface HubAccess {
  /** Without a slash at the end. */
  readonly endpoint: string
  readonly token: string | undefined
  readonly fetch?: typeof fetch | undefined
}

/** HF_ENDPOINT and HF_TOKEN of the environment; the public hub and no token by default. */
export function hubAccess(environment: Readonly<Record<string, string | undefined>>): HubAccess {
  const endpoint = environment.HF_ENDPOINT || "https://huggingface.co"
  return { endpoint: endpoint.replace(/\/+$/, ""), token: environment.HF_TOKEN || undefined }
}

/** "owner/name" as hubs write it. */
export function isRepositoryName(text: string): boolean {
  return /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(text) && !text.includes("..")
}

/** The commit that a branch, tag or commit names. Errors: HubRefused, HubUnreachable. */
export async function commitOf(access: HubAccess, repository: string, revision: string): Promise<string> {
  const { sha } = await asked(access, repository, revision, () =>
    modelInfo({ name: repository, revision, additionalFields: ["sha"], ...libraryOptions(access) }),
  )
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) {
    throw new UnusableRepository(repository, `has no commit at ${revision}; name another with --revision`)
  }
  return sha
}

/** All files at a commit. Errors: HubRefused, HubUnreachable, UnusableRepository. */
export async function filesOf(access: HubAccess, repository: string, commit: string): Promise<HubFile[]> {
  return asked(access, repository, commit, async () => {
    const files: HubFile[] = []
    const entries = listFiles({ repo: repository, revision: commit, recursive: true, ...libraryOptions(access) })
    for await (const entry of entries) if (entry.type === "file") files.push(hubFile(repository, entry))
    return files
  })
}

/** Where a file's bytes are. The hub redirects to its storage from here, for files in LFS and Xet too; such links expire, this one does not. */
export function fileUrl({ endpoint }: HubAccess, repository: string, commit: string, path: string): string {
  return `${endpoint}/${repository}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`
}

function libraryOptions({ endpoint, token, fetch }: HubAccess) {
  return { hubUrl: endpoint, ...(token ? { accessToken: token } : {}), ...(fetch ? { fetch } : {}) }
}

function hubFile(repository: string, { path, size, lfs, oid }: ListFileEntry): HubFile {
  if (path.split(/[/\\]/).includes("..") || /^[/\\]|^[A-Za-z]:|[\\\0]/.test(path)) {
    throw new UnusableRepository(
      repository,
      `lists ${JSON.stringify(path)}, which leads out of a folder; do not use it`,
    )
  }
  if (lfs && /^[0-9a-f]{64}$/.test(lfs.oid)) {
    return { path, sizeBytes: lfs.size, algorithm: "sha256", digest: lfs.oid }
  }
  if (oid && /^[0-9a-f]{40}$/.test(oid)) return { path, sizeBytes: size, algorithm: "git-sha1", digest: oid }
  throw new UnusableRepository(repository, `lists ${path} without a checksum; use a hub that has them`)
}

async function asked<T>(access: HubAccess, repository: string, revision: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof HubApiError) throw refusal(access, repository, revision, error.statusCode)
    if (error instanceof UnusableRepository) throw error
    if (error instanceof TypeError && error.message.includes("hf_")) {
      throw new HubRefused("HF_TOKEN is no token", 401, "tokens begin with hf_; make one in the hub's settings")
    }
    throw new HubUnreachable(`no answer from ${access.endpoint}`, error)
  }
}

/** What a status says, and the mend. */
export function refusal(access: HubAccess, repository: string, revision: string, status: number): HubRefused {
  const { endpoint, token } = access
  if (status === 401) {
    return token
      ? new HubRefused(`${repository} cannot be read with this HF_TOKEN`, status, "check the name, and the token")
      : new HubRefused(
          `${repository} does not exist or is private`,
          status,
          "check the name, or set HF_TOKEN to a token that may read it",
        )
  }
  if (status === 403) {
    return new HubRefused(
      `access to ${repository} is not granted`,
      status,
      `accept its terms at ${endpoint}/${repository}, and set HF_TOKEN to a token of that account`,
    )
  }
  if (status === 404) {
    return new HubRefused(
      `${repository} has no revision ${revision}, or does not exist`,
      status,
      "check the name and --revision",
    )
  }
  return new HubRefused(`${repository} cannot be read from ${endpoint}`, status, "try again later")
}
