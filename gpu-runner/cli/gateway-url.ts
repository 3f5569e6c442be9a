// The --url of the commands that talk to a gateway.
import { UsageError } from "./command.ts"

/** Without slashes at the end. Throws UsageError where it is no http address. */
export function gatewayUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new UsageError(`--url ${text} is no address; give one like https://yohaku.example.com`)
  }
  return text.replace(/\/+$/, "")
}
