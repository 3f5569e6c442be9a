// A browser's Worker for Node: jax-js' wasm back end has a pool of them, and runs on one thread where there is none.
import { resolveObjectURL } from "node:buffer"
import { Worker as NodeWorker } from "node:worker_threads"

const PRELUDE = `
const { parentPort } = require("node:worker_threads")
globalThis.self = globalThis
globalThis.postMessage = (message) => parentPort.postMessage(message)
parentPort.on("message", (data) => globalThis.onmessage({ data }))
`

/** The part of Worker that a pool on a blob's URL uses: messages are kept until its script has been read. */
class WebWorker {
  onmessage: ((event: { data: unknown }) => void) | undefined
  onerror: ((event: { message: string }) => void) | undefined
  readonly #worker: Promise<NodeWorker>

  constructor(url: string) {
    this.#worker = this.#start(url)
  }

  postMessage(message: unknown): void {
    void this.#worker.then((worker) => worker.postMessage(message))
  }

  async #start(url: string): Promise<NodeWorker> {
    const source = await resolveObjectURL(url)!.text()
    const worker = new NodeWorker(PRELUDE + source, { eval: true })
    worker.on("message", (data) => this.onmessage?.({ data }))
    worker.on("error", (error) => this.onerror?.({ message: String(error) }))
    worker.unref()
    return worker
  }
}

/** Gives this process a global Worker. */
export function installWorker(): void {
  Object.assign(globalThis, { Worker: WebWorker })
}
