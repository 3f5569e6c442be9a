// What the commands that talk to a gateway are told: its address by --url, their key by the environment.
import { UsageError } from "./command.ts"
import { requiredText } from "./options.ts"

export const urlOption = requiredText("URL", "the gateway's address")

/** The address without slashes at the end. Throws UsageError where it is no http address. */
export function gatewayUrl(written: string): string {
  if (!URL.canParse(written) || !/^https?:$/.test(new URL(written).protocol)) {
    throw new UsageError(`--url ${written} is no address; give one like https://yohaku.example.com`)
  }
  return written.replace(/\/+$/, "")
}

/** The API key in an environment variable. Throws UsageError where it is not set. */
export function gatewayKey(variable: string, scope: string): string {
  const key = process.env[variable]
  if (!key) throw new UsageError(`${variable} is not set; put an API key with the scope \`${scope}\` there`)
  return key
}
