// One writer a folder: a lock file that names its process. A process that died without giving its lock back (SIGKILL, power cut) is
// recognised, so that its run can be resumed at once.
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import path from "node:path"
import { FolderInUse } from "../errors.ts"
import { makeFolder } from "../make-folder.ts"

export const LOCK_FILE = "run.lock"

/** How often a holder shows that it lives, and how long a holder on another machine may be silent. */
const BEAT_MS = 10_000
const SILENCE_MS = 120_000
/** Far longer than the moment that a dead one's lock takes to remove. */
const GUARD_MS = 5000

interface Holder {
  readonly pid: number
  readonly host: string
  /** Tells a process from a later one of the same number; empty where the platform does not say. */
  readonly born: string
}

const heldHere = new Set<string>()

/**
 * Takes a folder for this process, creating it if need be; the answer gives it back (and removes the folder if nothing came into it).
 * Errors: FolderInUse while another run, here or in another process, has it.
 */
export function lockFolder(directory: string): () => void {
  const isNew = !existsSync(directory)
  makeFolder(directory)
  const file = path.join(path.resolve(directory), LOCK_FILE)
  if (heldHere.has(file)) throw new FolderInUse(directory, file, "this very process")
  takeLock(directory, file)
  heldHere.add(file)
  const beat = setInterval(() => touch(file), BEAT_MS)
  beat.unref()
  return () => {
    clearInterval(beat)
    heldHere.delete(file)
    rmSync(file, { force: true })
    if (isNew && existsSync(directory) && readdirSync(directory).length === 0) rmdirSync(directory)
  }
}

function takeLock(directory: string, file: string): void {
  const own: Holder = { pid: process.pid, host: hostname(), born: bornAt(process.pid) }
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify(own), { flag: "wx" })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
    removeStale(directory, file)
  }
}

/**
 * Removes the lock of a dead process. One process at a time may remove (a second file, held for a moment, says which), so that none
 * removes the lock that another one has put there since. Errors: FolderInUse if the holder lives.
 */
function removeStale(directory: string, file: string): void {
  refuseLiving(directory, file)
  const guard = `${file}.taking`
  try {
    writeFileSync(guard, "", { flag: "wx" })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    const found = read(guard)
    if (found && Date.now() - found.changedMs > GUARD_MS) rmSync(guard, { force: true })
    return
  }
  try {
    refuseLiving(directory, file)
    rmSync(file, { force: true })
  } finally {
    rmSync(guard, { force: true })
  }
}

function refuseLiving(directory: string, file: string): void {
  const found = read(file)
  const holder = found && livingHolder(found.text, found.changedMs)
  if (holder !== undefined) throw new FolderInUse(directory, file, holder)
}

function read(file: string): { readonly text: string; readonly changedMs: number } | undefined {
  try {
    return { text: readFileSync(file, "utf8"), changedMs: statSync(file).mtimeMs }
  } catch {
    return undefined
  }
}

/** Who holds the lock, in words; undefined if nobody does any more. */
function livingHolder(text: string, changedMs: number): string | undefined {
  const isFresh = Date.now() - changedMs < SILENCE_MS
  let holder: Holder
  try {
    holder = JSON.parse(text) as Holder
  } catch {
    // A lock that is being written at this moment, or that a power cut emptied.
    return isFresh ? "another process" : undefined
  }
  const { pid, host, born } = holder
  if (host !== hostname()) return isFresh ? `process ${pid} on ${host}` : undefined
  // A process of this number in a container that was started again is another one, and so may this one be.
  if (pid === process.pid || !isRunning(pid) || born !== bornAt(pid)) return undefined
  return `process ${pid}`
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** Linux counts a process's start in ticks since the machine's own; elsewhere the number alone must do. */
function bornAt(pid: number): string {
  try {
    const machine = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!
    return `${machine} ${afterName.split(" ")[19]}`
  } catch {
    return ""
  }
}

function touch(file: string): void {
  try {
    utimesSync(file, new Date(), new Date())
  } catch {
    // The folder was removed under the run, which fails by itself.
  }
}
