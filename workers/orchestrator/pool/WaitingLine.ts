// Runners that wait for a job, in memory only: a waiter decides nothing, it is merely woken to look into the store again.
import { LIMITS } from "#shared/wire/limits.ts"

/** How long a call that asks for `waitMs` is kept; what is no time at all is none. */
export const boundedWaitMs = (waitMs: number): number => (waitMs > 0 ? Math.min(waitMs, LIMITS.leaseWaitMs) : 0)

interface Waiter {
  readonly leave: (outcome: "woken" | "replaced" | "timeout") => void
}

export class WaitingLine {
  readonly #waiters = new Map<string, Waiter>()

  /**
   * Resolves when a job may be there, after `waitMs`, or at once when the same runner asks again: its earlier call has then lost
   * its caller, and a lease given to it would be lost too.
   */
  wait(runnerId: string, waitMs: number): Promise<"woken" | "replaced" | "timeout"> {
    this.replace(runnerId)
    return new Promise((resolve) => {
      const waiter: Waiter = {
        leave: (outcome) => {
          clearTimeout(timer)
          this.#waiters.delete(runnerId)
          resolve(outcome)
        },
      }
      const timer = setTimeout(() => waiter.leave("timeout"), waitMs)
      this.#waiters.set(runnerId, waiter)
    })
  }

  /** A caller of this runner that still waits is sent away without a job. */
  replace(runnerId: string): void {
    this.#waiters.get(runnerId)?.leave("replaced")
  }

  wakeAll(): void {
    for (const waiter of [...this.#waiters.values()]) waiter.leave("woken")
  }
}
