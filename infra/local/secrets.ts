// The secrets of a local system: made once, kept in a file that only this user may read, handed to the workers as an env file.
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"

export interface LocalSecrets {
  readonly pepper: string
  readonly adminKey: string
}

/** Reads or makes `<stateDirectory>/secrets.env`, in the form wrangler reads (`NAME=value` lines). */
export const localSecrets = (stateDirectory: string): LocalSecrets & { readonly envFile: string } => {
  const envFile = path.join(stateDirectory, "secrets.env")
  if (!existsSync(envFile)) {
    mkdirSync(stateDirectory, { recursive: true })
    const lines = [
      `YOHAKU_PEPPER=${randomBytes(32).toString("hex")}`,
      `YOHAKU_ADMIN_KEY=yhk_local_admin_${randomBytes(32).toString("hex")}`,
    ]
    // Whole or not at all: an empty file would be taken for the secrets at every later start.
    writeFileSync(`${envFile}.new`, `${lines.join("\n")}\n`, { mode: 0o600 })
    renameSync(`${envFile}.new`, envFile)
  }
  const values = new Map(
    readFileSync(envFile, "utf8")
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const),
  )
  return { envFile, pepper: values.get("YOHAKU_PEPPER") ?? "", adminKey: values.get("YOHAKU_ADMIN_KEY") ?? "" }
}
