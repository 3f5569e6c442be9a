// One worker alone in workerd, and what its isolate holds.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { convertV4MiniflareOptions, Miniflare } from "miniflare"
import { Inspector } from "./inspector.ts"
import { root } from "./running-system.ts"

/** Bindings beside BLOBS. */
export interface IsolateOptions {
  readonly d1Databases?: readonly string[]
  readonly kvNamespaces?: readonly string[]
}

export interface Isolate {
  /** Stores a blob; resolves to its digest. */
  readonly put: (bytes: Uint8Array) => Promise<string>
  /** A blob that the worker stored. Rejects where there is none. */
  readonly get: (digest: string) => Promise<Uint8Array>
  /** What the worker answers to a JSON body, which may be empty: then it does nothing. Rejects with what it breaks with. */
  readonly ask: <A>(body: object) => Promise<A>
  readonly heldBytes: () => Promise<number>
  /** `work`'s value, and the most that was held at any look meanwhile. */
  readonly peakWhile: <A>(work: () => Promise<A>) => Promise<{ readonly value: A; readonly peakBytes: number }>
  readonly close: () => Promise<void>
}

/** The worker as it would be deployed: with the configuration of the scorer, which asks for no Durable Objects. */
const bundle = (script: string, folder: string): void => {
  const wrangler = path.join(root, "node_modules/.bin/wrangler")
  const config = path.join(root, "workers/scorer/wrangler.toml")
  const argv = ["deploy", path.join(root, script), "--dry-run", "--outdir", folder, "--config", config]
  execFileSync(wrangler, argv, { stdio: ["ignore", "ignore", "inherit"] })
}

const NAME = "measured"

const blobKey = (digest: string): string => `blobs/${digest}`

const startWorker = (script: string, folder: string, { d1Databases = [], kvNamespaces = [] }: IsolateOptions) => {
  const main = path.join(folder, `${path.basename(script, ".ts")}.js`)
  const wasm = readdirSync(folder).filter((name) => name.endsWith(".wasm"))
  const options = convertV4MiniflareOptions({
    ...{ name: NAME, compatibilityDate: "2026-11-01", inspectorPort: 0, modulesRoot: folder },
    ...{ r2Buckets: ["BLOBS"], d1Databases: [...d1Databases], kvNamespaces: [...kvNamespaces] },
    modules: [
      { type: "ESModule", path: main },
      ...wasm.map((name) => ({ type: "CompiledWasm" as const, path: path.join(folder, name) })),
    ],
  })
  return new Miniflare(options)
}

/** Starts the worker of a script, which finds its blobs in BLOBS. */
export const openIsolate = async (script: string, given: IsolateOptions = {}): Promise<Isolate> => {
  const folder = mkdtempSync(path.join(tmpdir(), "yohaku-isolate-"))
  bundle(script, folder)
  const miniflare = startWorker(script, folder, given)
  const bucket = await miniflare.getR2Bucket("BLOBS")
  const inspector = await Inspector.open(new URL(`/core:user:${NAME}`, await miniflare.getInspectorURL()).href)
  const ask = async <A>(body: object): Promise<A> => {
    const answer = await miniflare.dispatchFetch("http://isolate/", { method: "POST", body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`the worker broke: ${await answer.text()}`)
    return (await answer.json()) as A
  }
  const look = async (): Promise<number> => {
    const answer = { came: false }
    const held = inspector.heldBytes().finally(() => {
      answer.came = true
    })
    while (!answer.came) await ask({})
    return held
  }
  return {
    ...{ ask, heldBytes: look },
    put: async (bytes) => {
      const digest = createHash("sha256").update(bytes).digest("hex")
      await bucket.put(blobKey(digest), bytes)
      return digest
    },
    get: async (digest) => {
      const object = await bucket.get(blobKey(digest))
      if (object === null) throw new Error(`the worker stored no blob ${digest}`)
      return new Uint8Array(await object.arrayBuffer())
    },
    peakWhile: async (work) => {
      const under = { way: true }
      const working = work().finally(() => {
        under.way = false
      })
      let peakBytes = 0
      while (under.way) peakBytes = Math.max(peakBytes, await look())
      return { value: await working, peakBytes: Math.max(peakBytes, await look()) }
    },
    close: async () => {
      inspector.close()
      await miniflare.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
