// Where peers live: never in this project's own dependencies.
import { homedir } from "node:os"
import path from "node:path"

/** $YOHAKU_BENCH_PEERS, by default yohaku/bench-peers in the user's cache folder. */
export function peersFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const cache = environment.XDG_CACHE_HOME || path.join(homedir(), ".cache")
  return environment.YOHAKU_BENCH_PEERS || path.join(cache, "yohaku", "bench-peers")
}
