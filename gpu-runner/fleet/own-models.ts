// A folder of the runner's own in which models lie: files that a job needs are found there by name and digest, and not fetched. Digests are
// remembered by size and time of change, so that weights are read for them once. What differs by a byte is not found, and that is said.
import { createHash } from "node:crypto"
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import path from "node:path"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import { firstFew } from "#shared/domain/first-few.ts"

interface Digested {
  readonly digest: string
  readonly bytes: number
  readonly modifiedMs: number
}

export interface FoundFile {
  readonly path: string
  readonly digest: string
}

const PIECE_BYTES = 2 ** 22
const MOST_NAMED = 4

/** Not whole files at a time, and not in one go: a lease is kept meanwhile. */
export const digestOf = async (file: string, signal: AbortSignal | undefined): Promise<string> => {
  const hash = createHash("sha256")
  for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES, ...(signal ? { signal } : {}) }))
    hash.update(piece as Uint8Array)
  return hash.digest("hex")
}

export class OwnModels {
  readonly #folder: string
  readonly #record: string
  readonly #say: (line: string) => void
  /** Digests that none of the files of their name has, which was said. */
  readonly #told = new Set<string>()
  #digests: Map<string, Digested> | undefined

  /** `record` is a file of the runner's, where digests are kept; `say` is told once of each file that is sought and is here with other bytes. */
  constructor(folder: string, record: string, say: (line: string) => void = () => undefined) {
    this.#folder = path.resolve(folder)
    this.#record = record
    this.#say = say
  }

  /** The file of this name and digest, wherever in the folder. Those whose digest is known are looked at first. */
  async find(name: string, digest: string, signal?: AbortSignal): Promise<string | undefined> {
    const files = this.#named(name)
    const known = files.find((file) => this.#known(file) === digest)
    if (known !== undefined) return known
    const others: string[] = []
    for (const file of files) {
      const found = await this.#digest(file, signal)
      if (found === digest) return file
      others.push(`${file} has the digest ${found}`)
    }
    this.#sayDiffering(name, digest, others)
    return undefined
  }

  #sayDiffering(name: string, digest: string, others: readonly string[]): void {
    if (others.length === 0 || this.#told.has(digest)) return
    this.#told.add(digest)
    this.#say(
      `${name} (${digest}) is not in the folder of --models: ${firstFew(others, MOST_NAMED)}; the registered file is fetched instead, unless it was before`,
    )
  }

  /** Some file of this name whose digest is known, as it is after `find`. */
  some(name: string): FoundFile | undefined {
    for (const file of this.#named(name)) {
      const digest = this.#known(file)
      if (digest !== undefined) return { path: file, digest }
    }
    return undefined
  }

  /** What was found to be damaged, though its size and time are as they were, is read again. */
  forget(file: string): void {
    this.#digests ??= this.#read()
    if (this.#digests.delete(file)) this.#write(this.#digests)
  }

  #named(name: string): string[] {
    return readdirSync(this.#folder, { recursive: true, encoding: "utf8" })
      .filter((entry) => path.basename(entry) === name)
      .map((entry) => path.join(this.#folder, entry))
      .filter((file) => existsSync(file) && statSync(file).isFile())
      .sort()
  }

  #known(file: string): string | undefined {
    this.#digests ??= this.#read()
    const { size: bytes, mtimeMs: modifiedMs } = statSync(file)
    const known = this.#digests.get(file)
    return known?.bytes === bytes && known.modifiedMs === modifiedMs ? known.digest : undefined
  }

  async #digest(file: string, signal: AbortSignal | undefined): Promise<string> {
    const known = this.#known(file)
    if (known !== undefined) return known
    const { size: bytes, mtimeMs: modifiedMs } = statSync(file)
    const digest = await digestOf(file, signal)
    this.#digests!.set(file, { digest, bytes, modifiedMs })
    this.#write(this.#digests!)
    return digest
  }

  #write(digests: ReadonlyMap<string, Digested>): void {
    writeFileAtomically(this.#record, JSON.stringify(Object.fromEntries(digests)))
  }

  /** A record that cannot be read is computed again. */
  #read(): Map<string, Digested> {
    try {
      return new Map(Object.entries(JSON.parse(readFileSync(this.#record, "utf8")) as Record<string, Digested>))
    } catch {
      return new Map()
    }
  }
}
