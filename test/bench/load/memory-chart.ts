// A chart of memory over time as one SVG, light or dark as the reader has it.

export interface Series {
  readonly name: string
  /** Minutes since the start, MiB. */
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

const WIDTH = 960
const HEIGHT = 420
const PLOT = { left: 64, right: 700, top: 24, bottom: 372 }
const COLOURS = ["#c23b22", "#2f6db3", "#4a8f3c", "#9a6bb0", "#b8862b"]
const STYLE = `
  svg { --paper: #fbfaf7; --ink: #22252a; --quiet: #686d75; --line: #d8d4ca }
  @media (prefers-color-scheme: dark) { svg { --paper: #17191c; --ink: #e9e7e2; --quiet: #9da2aa; --line: #4a4f57 } }
  text { font-family: system-ui, sans-serif; font-size: 13px; fill: var(--quiet) }
  .grid { stroke: var(--line) } .end { text-anchor: end } .middle { text-anchor: middle } .name { fill: var(--ink) }
  polyline { fill: none; stroke-width: 1.5 }`

/** 1, 2 or 5 times a power of ten, such that at most six of them reach `most`. */
const stepOf = (most: number): number => {
  const power = 10 ** Math.floor(Math.log10(most / 6))
  return power * ([1, 2, 5, 10].find((factor) => most / (power * factor) <= 6) ?? 10)
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

/** Lines of each series; before `warmUpMinutes` the ground is shaded. */
export const memoryChart = (title: string, series: readonly Series[], warmUpMinutes: number): string => {
  const all = series.flatMap(({ points }) => points)
  const mostX = Math.max(...all.map(({ x }) => x), 0.1)
  const mostY = Math.max(...all.map(({ y }) => y), 1) * 1.05
  const px = (x: number): number => PLOT.left + (x / mostX) * (PLOT.right - PLOT.left)
  const py = (y: number): number => PLOT.bottom - (y / mostY) * (PLOT.bottom - PLOT.top)
  const ticks = (most: number): number[] => {
    const step = stepOf(most)
    return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => Math.round(index * step * 1000) / 1000)
  }
  const line = ({ points }: Series, index: number): string => {
    const path = points.map(({ x, y }) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ")
    return `<polyline stroke="${COLOURS[index % COLOURS.length]}" points="${path}"/>`
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}</style><rect width="${WIDTH}" height="${HEIGHT}" fill="var(--paper)"/>`,
    `<rect x="${PLOT.left}" y="${PLOT.top}" width="${px(Math.min(warmUpMinutes, mostX)) - PLOT.left}" height="${PLOT.bottom - PLOT.top}" fill="var(--line)" opacity="0.35"/>`,
    ...ticks(mostY).flatMap((y) => [
      `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${py(y)}" y2="${py(y)}"/>`,
      `<text class="end" x="${PLOT.left - 8}" y="${py(y) + 4}">${y}</text>`,
    ]),
    ...ticks(mostX).map((x) => `<text class="middle" x="${px(x)}" y="${PLOT.bottom + 20}">${x}</text>`),
    `<text class="middle" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 40}">minutes; shaded: warm-up</text>`,
    `<text x="${PLOT.left}" y="16">MiB</text>`,
    ...series.map(line),
    ...series.flatMap(({ name, points }, index) => [
      `<rect x="${PLOT.right + 16}" y="${PLOT.top + 24 * index}" width="12" height="12" fill="${COLOURS[index % COLOURS.length]}"/>`,
      `<text class="name" x="${PLOT.right + 36}" y="${PLOT.top + 24 * index + 11}">${escaped(name)} ${Math.round(points.at(-1)?.y ?? 0)}</text>`,
    ]),
    "</svg>\n",
  ].join("\n")
}
