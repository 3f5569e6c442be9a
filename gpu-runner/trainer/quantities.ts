// Quantities as people read them, on the terminal, in model cards and in tables.

/** 0.6543 → "65.4 %". */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** "6.03 GB", "671 MB": decimal units, three digits. */
export function byteSize(bytes: number): string {
  const [unit, name] = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"]
  const number = bytes / unit
  return `${number.toFixed(number >= 100 ? 0 : number >= 10 ? 1 : 2)} ${name}`
}

/** 75 → "1 min 15 s". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}
