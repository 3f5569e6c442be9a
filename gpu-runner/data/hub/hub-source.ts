// A file of a repository at a commit as the source of a transfer.
//
// @huggingface/hub 2.17 lists and describes files, but its downloads cannot serve here: snapshotDownload starts every
// interrupted file again and checks no digest; a Blob of downloadFile, sliced, sends a Range but takes a whole body (200)
// for the rest, and has neither retries nor a signal.
import type { Source } from "../transfer.ts"
import { ChecksumMismatch, HubUnreachable } from "./errors.ts"
import { fileUrl, type HubAccess, refusal } from "./hub-client.ts"

export interface FileOnHub {
  readonly repository: string
  readonly commit: string
  readonly path: string
  /** As the hub lists it. */
  readonly digest: string
}

/** Errors of a transfer from it: HubRefused, HubUnreachable, ChecksumMismatch. */
export const hubSource = (access: HubAccess, { repository, commit, path, digest }: FileOnHub): Source => ({
  ask: (range, signal) =>
    (access.fetch ?? fetch)(fileUrl(access, repository, commit, path), {
      headers: {
        // A digest is of the stored bytes, so no coding on the way; the token is not sent on when a redirect leaves the hub.
        "accept-encoding": "identity",
        ...(access.token ? { authorization: `Bearer ${access.token}` } : {}),
        ...(range === undefined ? {} : { range }),
      },
      ...(signal ? { signal } : {}),
    }),
  refusal: ({ status, headers }) => {
    if (![401, 403, 404].includes(status)) return undefined
    // Metadata of gated models is open; only their files are not, and without a token that is a 401.
    const isGated = headers.get("x-error-code") === "GatedRepo"
    return refusal(access, repository, commit, isGated ? 403 : status)
  },
  unreachable: (cause) => new HubUnreachable(`${path} cannot be fetched`, cause),
  mismatch: (found) => new ChecksumMismatch(path, digest, found),
})
