// Runs one part of the GPU benchmark in a process of its own, so that a part that crashes, hangs or loses the device costs only itself.
import { spawn } from "node:child_process"

/** The part did not end well; the message says how, with the last line that it wrote. */
export class PartFailed extends Error {
  readonly _tag = "PartFailed"
}

const KEPT_CHARACTERS = 4000

/** Standard output of a script that ended well. Errors: PartFailed, also past the time limit. */
export function runScript(
  script: string,
  words: readonly string[],
  limitMs: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(process.execPath, [script, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  })
  let output = ""
  let lastWords = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-KEPT_CHARACTERS)
  })
  let isLate = false
  const timeout = setTimeout(() => {
    isLate = true
    child.kill("SIGKILL")
  }, limitMs)
  const lastLine = (text: string) =>
    text
      .trim()
      .split(/[\r\n]+/)
      .at(-1) ?? ""
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new PartFailed(error.message)))
    child.on("close", (code, signal) => {
      clearTimeout(timeout)
      if (code === 0) return resolve(output)
      if (isLate) return reject(new PartFailed(`not done within ${Math.round(limitMs / 1000)} s`))
      const ending = signal ? `ended by ${signal}` : `ended with code ${code}`
      reject(new PartFailed(`${ending}: ${lastLine(lastWords) || lastLine(output)}`))
    })
  })
}
