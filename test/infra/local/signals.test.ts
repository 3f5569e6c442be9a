// Being told to end: said at once, and once, since npm and the terminal both pass Ctrl-C on. Signals are a process's, so it is one.
import { spawn } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import { expect, it } from "vitest"

it.skipIf(process.platform === "win32")(
  "the first signal is told of, and a second one does not end what is stopping",
  async () => {
    const module = path.resolve(import.meta.dirname, "../../../infra/local/signals.ts")
    const source = `import { untilStopped } from ${JSON.stringify(module)}
    const stopped = untilStopped(() => console.log("stopping"))
    setTimeout(() => process.exit(1), 20_000)
    console.log("ready")
    await stopped
    console.log("told")
    process.once("SIGTERM", () => setTimeout(() => process.exit(0), 20))`
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", source])
    let printed = ""
    child.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed === "ready\n") child.kill("SIGINT")
      if (printed.endsWith("told\n")) child.kill("SIGTERM")
    })
    expect(await once(child, "close")).toEqual([0, null])
    expect(printed).toBe("ready\nstopping\ntold\n")
  },
)
