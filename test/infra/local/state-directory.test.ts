// What keeps a state directory from being used is said in one sentence, which says the mend.
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it } from "vitest"
import { lastSession } from "#infra/demo/loop/session.ts"
import { localKeys } from "#infra/local/keys.ts"
import { ProcessTable } from "#infra/local/processes.ts"
import { localSecrets } from "#infra/local/secrets.ts"
import { StateUnusable } from "#infra/local/state-file.ts"
import { LocalSystem } from "#infra/local/system.ts"

const temporary = (): string => mkdtempSync(path.join(tmpdir(), "yohaku-"))
const system = (stateDirectory: string) =>
  new LocalSystem({ root: stateDirectory, stateDirectory, port: 1, say: () => undefined })
const ANOTHER = "choose another with --state DIRECTORY"

it("a file, or a folder below one, is no state directory", () => {
  const file = path.join(temporary(), "file")
  writeFileSync(file, "")
  for (const directory of [file, path.join(file, "below")])
    expect(() => system(directory)).toThrow(
      new StateUnusable(`the state directory ${directory} is a file, or lies below one: ${ANOTHER}`),
    )
})

it.runIf(process.platform === "linux")(
  "a state directory that cannot be written is told with the right that is missing",
  () => {
    const directory = temporary()
    chmodSync(directory, 0o500)
    // For the superuser every folder can be written but the kernel's own.
    const refusing = process.getuid!() === 0 ? "/sys/kernel/yohaku" : directory
    expect(() => system(refusing)).toThrow(StateUnusable)
    expect(() => system(refusing)).toThrow(
      /^the state directory \S+ cannot be written \((EACCES|EPERM|EROFS)\): give yourself the right to write there, or choose another/,
    )
  },
)

it.runIf(process.platform === "linux")(
  "a file system that takes no folder is refused at once, and not waited for",
  () => {
    const program = path.resolve(import.meta.dirname, "../../../gpu-runner/cli/yohaku.mjs")
    for (const directory of ["/proc/nope", "/proc/nope/state"]) {
      const up = [program, "up", "--state", directory]
      const { status, stdout, stderr } = spawnSync(process.execPath, up, { encoding: "utf8", timeout: 30_000 })
      expect([status, stdout, stderr]).toEqual([
        1,
        "",
        `yohaku up: the state directory ${directory} cannot be used (no folder can be made in /proc): mend that, or ${ANOTHER}\n`,
      ])
    }
  },
)

it.runIf(process.platform === "linux")("a full disk is told as such, whichever file it is that finds no room", () => {
  const full = (name: string) => {
    const directory = temporary()
    mkdirSync(path.join(directory, path.dirname(name)), { recursive: true })
    symlinkSync("/dev/full", path.join(directory, name))
    return directory
  }
  for (const directory of [full("secrets.env.new"), full(`lock/1.json.${process.pid}`)])
    expect(() => system(directory)).toThrow(
      new StateUnusable(`the disk of the state directory ${directory} is full: free some of it, or ${ANOTHER}`),
    )
})

it("what no mend is known for is told with the system's own words", () => {
  const directory = path.join(temporary(), "x".repeat(300))
  expect(() => system(directory)).toThrow(/^the state directory \S+ cannot be used \(ENAMETOOLONG: .*\): mend that, or/)
})

it.each([
  "",
  '[{"name":"workers","pid"',
  "{}",
  '[{"name":"workers","pid":"12","startedAt":"1"}]',
  '[{"name":"workers","pid":12}]',
  "[null]",
  "[1]",
])("a list of processes that is damaged (%j) is not guessed at: what may run is to be ended first", (written) => {
  const directory = temporary()
  const file = path.join(directory, "processes.json")
  writeFileSync(file, written)
  expect(() => new ProcessTable(directory)).toThrow(
    new StateUnusable(
      `${file} is damaged: end what an earlier start may have left running (wrangler, workerd, yohaku runner), delete that file, and start again`,
    ),
  )
})

it("damaged keys and a damaged session say which file to delete, and damaged secrets what depends on them", async () => {
  const directory = temporary()
  const damaged = (name: string) => {
    const file = path.join(directory, name)
    writeFileSync(file, '{"runnerKey":"yhk_')
    return file
  }
  const keys = damaged("keys.json")
  await expect(localKeys(directory, { url: "http://127.0.0.1:1", adminKey: "" })).rejects.toEqual(
    new StateUnusable(`${keys} is damaged: delete it, and the next start makes new keys`),
  )
  const session = damaged("session.json")
  expect(() => lastSession(directory, "demo")).toThrow(
    new StateUnusable(`${session} is damaged: delete it, and the demo is played again`),
  )
  const secrets = path.join(directory, "secrets.env")
  for (const written of ["", "YOHAKU_PEPPER=12\n", "YOHAKU_PEPPER=\nYOHAKU_ADMIN_KEY=1\n"]) {
    writeFileSync(secrets, written)
    expect(() => localSecrets(directory)).toThrow(
      /secrets\.env holds no YOHAKU_PEPPER or no YOHAKU_ADMIN_KEY: restore it/,
    )
  }
  expect(readdirSync(directory).filter((name) => name.endsWith(".new"))).toEqual([])
})
