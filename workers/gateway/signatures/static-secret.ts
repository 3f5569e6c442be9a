// A secret sent as it is, for tools which cannot sign (Label Studio). It says who sent, not that the body is unchanged:
// only HTTPS protects it.
import { isEqual } from "../storage/Vault.ts"

export const SECRET_HEADER = "x-yohaku-secret"

/** Whether the header holds one of the secrets. Compared in constant time. */
export const verifyStaticSecret = async (headers: Headers, secrets: readonly string[]): Promise<boolean> => {
  const sent = headers.get(SECRET_HEADER)
  if (sent === null) return false
  return (await Promise.all(secrets.map((secret) => isEqual(sent, secret)))).includes(true)
}
