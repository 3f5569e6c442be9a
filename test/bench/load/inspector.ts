// V8's inspector of an isolate in workerd: what the isolate holds, its heap and the buffers outside it, after the collector was asked, so
// that what nobody holds any more does not count. It is heard while the isolate does something; an idle one answers when it does.

interface HeapUsage {
  readonly usedSize: number
  readonly embedderHeapUsedSize: number
  readonly backingStorageSize: number
}

export class Inspector {
  readonly #socket: WebSocket
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>()
  #calls = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { readonly id?: number; readonly result?: unknown }
      if (id === undefined) return
      this.#answers.get(id)?.resolve(result)
      this.#answers.delete(id)
    })
    socket.addEventListener("close", () => {
      for (const { reject } of this.#answers.values()) reject(new Error("another session took the inspector"))
    })
  }

  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url)
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve)
      socket.addEventListener("error", () => reject(new Error(`the inspector at ${url} does not answer`)))
    })
    return new Inspector(socket)
  }

  /** Rejects where another session takes over: an isolate has one at a time. */
  async heldBytes(): Promise<number> {
    await this.#call("HeapProfiler.collectGarbage")
    const usage = await this.#call<HeapUsage>("Runtime.getHeapUsage")
    return usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize
  }

  close(): void {
    this.#socket.close()
  }

  #call<A>(method: string): Promise<A> {
    const id = ++this.#calls
    const answer = Promise.withResolvers<unknown>()
    this.#answers.set(id, answer)
    this.#socket.send(JSON.stringify({ id, method }))
    return answer.promise as Promise<A>
  }
}
