// How much memory an adapter has. WebGPU does not tell, and Dawn's own query is not in its Node binding, so the system is asked.
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import os from "node:os"

interface Adapter {
  readonly vendor: string
  readonly backend: string
  readonly description: string
  /** It computes on the machine's own cores, in its memory. */
  readonly isFallback: boolean
}

/** Bytes of the adapter's memory, or of the machine's where the adapter shares it; undefined where the system does not say. */
export function memorySizeBytes(adapter: Adapter): number | undefined {
  if (adapter.backend === "null") return undefined
  if (adapter.isFallback || adapter.backend === "metal")
    return machineMemoryBytes(os.totalmem(), process.constrainedMemory())
  if (adapter.vendor === "nvidia") return nvidiaMemoryBytes(adapter.description, askNvidia())
  if (adapter.vendor === "amd") return onlyValue(amdMemoryBytes())
  return undefined
}

/** The machine's memory, or what a container's limit leaves this process of it; a limit of 0 or above the memory is none. */
export const machineMemoryBytes = (totalBytes: number, limitBytes: number): number =>
  limitBytes > 0 ? Math.min(totalBytes, limitBytes) : totalBytes

/** The memory of the card that the description names, in nvidia-smi's CSV of names and mebibytes; several such cards have the same. */
export function nvidiaMemoryBytes(description: string, csv: string): number | undefined {
  const cards = csv.split("\n").flatMap((line) => {
    const [name = "", mebibytes = ""] = line.split(",").map((cell) => cell.trim())
    return name && Number(mebibytes) > 0 ? [{ name, bytes: Number(mebibytes) * 2 ** 20 }] : []
  })
  const named = cards.filter(({ name }) => description.toLowerCase().includes(name.toLowerCase()))
  return onlyValue((named.length > 0 ? named : cards).map(({ bytes }) => bytes))
}

function askNvidia(): string {
  const query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
  try {
    return execFileSync("nvidia-smi", query, { encoding: "utf8", timeout: 5000, stdio: ["ignore", "pipe", "ignore"] })
  } catch {
    return ""
  }
}

// Linux' amdgpu driver writes each card's memory into sysfs.
function amdMemoryBytes(): number[] {
  const folder = "/sys/class/drm"
  try {
    return readdirSync(folder).flatMap((card) => {
      if (!/^card\d+$/.test(card)) return []
      const bytes = Number(readOr("0", `${folder}/${card}/device/mem_info_vram_total`))
      return bytes > 0 ? [bytes] : []
    })
  } catch {
    return []
  }
}

function readOr(fallback: string, file: string): string {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return fallback
  }
}

function onlyValue(values: readonly number[]): number | undefined {
  return new Set(values).size === 1 ? values[0] : undefined
}

/** What this process has in the machine's memory now, in bytes. */
export const residentBytes = (): number => process.memoryUsage.rss()
