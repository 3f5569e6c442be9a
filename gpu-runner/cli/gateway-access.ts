// What the commands that talk to a gateway are told: its address by --url, their key by the environment.
import { CallRefused } from "#gpu-runner/client/call-failure.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { UsageError } from "./command.ts"
import { requiredText } from "./options.ts"

export const urlOption = requiredText("URL", "the gateway's address")

/** The address without slashes at the end. Throws UsageError where it is no http address, or where it holds a user, a query or a fragment. */
export function gatewayUrl(written: string, option = "--url"): string {
  if (/[?#@]/.test(written)) {
    throw new UsageError(
      `${option} holds more than an address, which stands in messages and records; leave user, password, ? and # away`,
    )
  }
  if (!URL.canParse(written) || !/^https?:$/.test(new URL(written).protocol)) {
    throw new UsageError(`${option} ${written} is no address; give one like https://yohaku.example.com`)
  }
  return written.replace(/\/+$/, "")
}

/** The API key in an environment variable. Throws UsageError where it is not set. */
export function gatewayKey(variable: string, scope: string): string {
  const key = process.env[variable]
  if (!key) throw new UsageError(`${variable} is not set; put an API key with the scope \`${scope}\` there`)
  return key
}

/** The gateway takes an API key no more, or not for this. */
export class KeyRefused extends taggedError("KeyRefused") {}

/** Waits for work done with the key in a variable. A key that the gateway refuses is a KeyRefused, which says how to make a new one. */
export async function withKey<A>(variable: string, scope: string, work: Promise<A>): Promise<A> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof CallRefused) || (error.status !== 401 && error.status !== 403)) throw error
    const why =
      error.status === 401 ? "it expired, was revoked, or is of another gateway" : `it lacks the scope \`${scope}\``
    throw new KeyRefused(
      `the gateway refuses the key in ${variable}: ${why}. Make a new one with the scope \`${scope}\` (POST /v1/keys with the admin key, docs/api.md#keys-and-scopes) and start again with it. The gateway says: ${error.message}`,
      { cause: error },
    )
  }
}
