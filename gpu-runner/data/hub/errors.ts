// The typed failures of fetching models from a hub. Each message says the mend.
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { causeInWords } from "../network-cause.ts"

/** The hub answers, but not with what was asked for. `status` is the HTTP status. */
export class HubRefused extends taggedError<"HubRefused", { status: number }>("HubRefused") {
  constructor(what: string, status: number, mend: string) {
    super(`${what} (the hub answers ${status}); ${mend}`, { status })
  }
}

/** No answer, or transfers that break off again and again. What was fetched is kept and the next pull goes on from there. */
export class HubUnreachable extends taggedError("HubUnreachable") {
  constructor(what: string, cause: unknown) {
    super(
      `${what}: ${causeInWords(cause)}; check the network and HF_ENDPOINT, then give the command again: it goes on where it stopped`,
      {
        cause,
      },
    )
  }
}

/** A file arrived whole, but its bytes are not those that the hub lists. */
export class ChecksumMismatch extends taggedError("ChecksumMismatch") {
  constructor(path: string, expected: string, found: string) {
    super(
      `${path} arrived with digest ${found}, the hub lists ${expected}; the file was removed: pull again, and look for a proxy that changes files if it recurs`,
    )
  }
}

/** The hub lists a file with one size, and serves it with another: its listed digest is hardly that of what it serves. */
export class SizeMismatch extends taggedError("SizeMismatch") {
  constructor(path: string, listedBytes: number, servedBytes: number) {
    super(
      `${path} has ${servedBytes} bytes where the hub serves it, and ${listedBytes} in its list; give a commit in place of a branch, and look for a proxy that changes files, or another HF_ENDPOINT`,
    )
  }
}

/** The repository holds nothing that can be loaded here, or lists what cannot be stored safely. */
export class UnusableRepository extends taggedError("UnusableRepository") {
  constructor(repository: string, fault: string) {
    super(`${repository} ${fault}`)
  }
}

/** A name on the hub was given where a folder is needed, and it was not pulled before. Nothing is fetched unasked. */
export class ModelNotPulled extends taggedError("ModelNotPulled") {
  constructor(name: string, isPartial: boolean) {
    super(
      isPartial
        ? `${name} was pulled only in part; finish it with: yohaku model pull ${name}`
        : `${name} is missing: no folder of that name is here, and no such model was pulled; fetch it with: yohaku model pull ${name}`,
    )
  }
}
