// The typed failures of fetching models from a hub. Plain classes with a `_tag`; each message says the mend.

/** The hub answers, but not with what was asked for. `status` is the HTTP status. */
export class HubRefused extends Error {
  readonly _tag = "HubRefused"
  readonly status: number
  constructor(what: string, status: number, mend: string) {
    super(`${what} (the hub answers ${status}); ${mend}`)
    this.name = "HubRefused"
    this.status = status
  }
}

/** No answer, or transfers that break off again and again. What was fetched is kept and the next pull goes on from there. */
export class HubUnreachable extends Error {
  readonly _tag = "HubUnreachable"
  constructor(what: string, cause: unknown) {
    const reason = cause instanceof Error ? rootMessage(cause) : String(cause)
    super(`${what}: ${reason}; check the network and HF_ENDPOINT, then pull again: it goes on where it stopped`)
    this.name = "HubUnreachable"
    this.cause = cause
  }
}

/** fetch hides the reason ("ECONNREFUSED") in its cause. */
function rootMessage(error: Error): string {
  return error.cause instanceof Error ? rootMessage(error.cause) : error.message || error.name
}

/** A file arrived whole, but its bytes are not those that the hub lists. */
export class ChecksumMismatch extends Error {
  readonly _tag = "ChecksumMismatch"
  constructor(path: string, expected: string, found: string) {
    super(
      `${path} arrived with digest ${found}, the hub lists ${expected}; the file was removed: pull again, and look for a proxy that changes files if it recurs`,
    )
    this.name = "ChecksumMismatch"
  }
}

/** The repository holds nothing that can be loaded here, or lists what cannot be stored safely. */
export class UnusableRepository extends Error {
  readonly _tag = "UnusableRepository"
  constructor(repository: string, fault: string) {
    super(`${repository} ${fault}`)
    this.name = "UnusableRepository"
  }
}

/** The disk is too small for what is still to be fetched. */
export class NotEnoughSpace extends Error {
  readonly _tag = "NotEnoughSpace"
  constructor(directory: string, neededBytes: number, freeBytes: number) {
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`
    super(
      `${directory} has ${gigabytes(freeBytes)} free, ${gigabytes(neededBytes)} are still to be fetched; make room or choose another --out`,
    )
    this.name = "NotEnoughSpace"
  }
}

/** A name on the hub was given where a folder is needed, and it was not pulled before. Nothing is fetched unasked. */
export class ModelNotPulled extends Error {
  readonly _tag = "ModelNotPulled"
  constructor(name: string, isPartial: boolean) {
    super(
      isPartial
        ? `${name} was pulled only in part; finish it with: yohaku model pull ${name}`
        : `${name} is missing: no folder of that name is here, and no such model was pulled; fetch it with: yohaku model pull ${name}`,
    )
    this.name = "ModelNotPulled"
  }
}
