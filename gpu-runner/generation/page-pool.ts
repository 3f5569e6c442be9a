// Which pages of the cache are free. Host code; a page's contents are never looked at here.
import { MemoryMisuse } from "#gpu-runner/device/errors.ts"
import { PAGE_SIZE } from "#gpu-runner/ops/attention/paged-attention.ts"

/** Pages that hold `positions`. */
export function pagesFor(positions: number): number {
  return Math.ceil(positions / PAGE_SIZE)
}

export class PagePool {
  readonly #free: number[]
  readonly #taken = new Set<number>()

  constructor(pages: number) {
    this.#free = Array.from({ length: pages }, (_, index) => pages - 1 - index)
  }

  /** Free pages. */
  get free(): number {
    return this.#free.length
  }

  /** Pages for so many positions; undefined while there are too few. */
  take(positions: number): readonly number[] | undefined {
    const count = pagesFor(positions)
    if (count > this.#free.length) return undefined
    const pages = this.#free.splice(this.#free.length - count).reverse()
    for (const page of pages) this.#taken.add(page)
    return pages
  }

  /** Gives pages back. One that was not taken is MemoryMisuse. */
  give(pages: readonly number[]): void {
    for (const page of pages) {
      if (!this.#taken.delete(page)) throw new MemoryMisuse(`page ${page} of the cache was given back twice`)
      this.#free.push(page)
    }
  }
}
