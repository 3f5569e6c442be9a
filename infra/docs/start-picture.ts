// The picture of README.md, docs/images/npm-start.svg: the loop and its figures, from a recording of what `npm start` prints.
// Text stays text, in the reader's own fonts, light or dark as the reader has it.
// usage: npm start -- --once --state .yohaku/recorded > infra/docs/npm-start.txt, then node infra/docs/start-picture.ts
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { type Accuracy, type StartFigures, startFigures } from "./start-recording.ts"

export const RECORDING = path.resolve(import.meta.dirname, "npm-start.txt")
export const PICTURE = path.resolve(import.meta.dirname, "../../docs/images/npm-start.svg")

const WIDTH = 960
const HEIGHT = 474
const STYLE = `
  svg { --paper: #fbfaf7; --ink: #22252a; --quiet: #686d75; --line: #d8d4ca; --accent: #c23b22 }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #17191c; --ink: #e9e7e2; --quiet: #9da2aa; --line: #4a4f57; --accent: #ff7f63 }
  }
  text { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; font-size: 13px; fill: var(--quiet) }
  .figure { font-size: 30px; font-weight: 600; fill: var(--ink); font-variant-numeric: tabular-nums }
  .name { font-size: 14px; font-weight: 600; fill: var(--ink) }
  .accent { fill: var(--accent) }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  .track { fill: none; stroke: var(--line); stroke-width: 2 }
  .dashed { stroke-dasharray: 3 5 }
  .whisker { stroke: var(--quiet); stroke-width: 6; stroke-linecap: round; opacity: 0.35 }
  .whisker.accent { stroke: var(--accent) }
`

const TRACK = { left: 54, right: 906, top: 88, bottom: 202, radius: 57 }
const STATIONS_X = [152, 316, 480, 644, 808]

interface Station {
  readonly figure: string
  readonly name: string
  readonly note: string
}

const stationsOf = (figures: StartFigures): Station[] => [
  { figure: `${figures.events}`, name: "labelling events", note: "Argilla, Label Studio, API" },
  { figure: `${figures.pairs}`, name: "pairs", note: `${figures.rejected} deliveries rejected` },
  { figure: `${figures.referenceResponses}`, name: "responses scored", note: "by the reference, once" },
  { figure: `${figures.trainPairs}`, name: "pairs to train on", note: "α-DPO, LoRA, WebGPU" },
  { figure: figures.promoted, name: "promoted", note: "every gate passed" },
]

const stationLines = ({ figure, name, note }: Station, index: number, all: readonly Station[]): string[] => {
  const x = STATIONS_X[index]!
  const accent = index === all.length - 1 ? " accent" : ""
  return [
    `<text class="figure middle${accent}" x="${x}" y="66">${figure}</text>`,
    `<circle class="${accent.trim() || "name"}" cx="${x}" cy="${TRACK.top}" r="6"/>`,
    `<text class="name middle" x="${x}" y="120">${name}</text>`,
    `<text class="middle" x="${x}" y="140">${note}</text>`,
  ]
}

/** The closed track, clockwise from the first station; at the bottom it leaves room for its text. */
const loopLines = (stations: readonly Station[]): string[] => {
  const { left, right, top, bottom, radius } = TRACK
  const centre = WIDTH / 2
  const room = 112
  const arc = (x: number, y: number) => `A ${radius} ${radius} 0 0 1 ${x} ${y}`
  const there = `M ${centre} ${top} H ${right - radius} ${arc(right - radius, bottom)} H ${centre + room}`
  const back = `M ${centre - room} ${bottom} H ${left + radius} ${arc(left + radius, top)} H ${centre}`
  const heads = STATIONS_X.slice(1).map((x) => `M ${x - 22} ${top - 5} l 7 5 l -7 5`)
  const head = `M ${left + radius + 30} ${bottom - 5} l -7 5 l 7 5`
  return [
    `<path class="track" d="${[there, back, ...heads, head].join(" ")}"/>`,
    `<text class="middle" x="${centre}" y="${bottom + 5}">new labels start the next run</text>`,
    ...stations.flatMap(stationLines),
  ]
}

const CHART = { left: 170, right: 810, leastPercent: 45, mostPercent: 82, firstRow: 322, rowHeight: 32 }

const xOf = (percent: number): number => {
  const { left, right, leastPercent, mostPercent } = CHART
  return Math.round((left + ((right - left) * (percent - leastPercent)) / (mostPercent - leastPercent)) * 10) / 10
}

const accuracyLines = ([name, { percent, interval }]: readonly [string, Accuracy], row: number): string[] => {
  const y = CHART.firstRow + row * CHART.rowHeight
  const accent = name === "α-DPO" ? " accent" : ""
  const [low, high] = interval ?? [percent, percent]
  return [
    `<text class="name${accent}" x="${TRACK.left}" y="${y + 5}">${name}</text>`,
    ...(interval === undefined
      ? []
      : [`<line class="whisker${accent}" x1="${xOf(low)}" y1="${y}" x2="${xOf(high)}" y2="${y}"/>`]),
    `<circle class="${accent.trim() || "name"}" cx="${xOf(percent)}" cy="${y}" r="6"/>`,
    `<text class="name end${accent}" x="${TRACK.right}" y="${y + 5}">${percent.toFixed(1)} %</text>`,
  ]
}

const chartLines = ({ accuracy, heldOutPairs }: StartFigures): string[] => {
  const bottom = CHART.firstRow + 3 * CHART.rowHeight + 16
  return [
    `<text class="name" x="${TRACK.left}" y="262">How often the model favours the answer that people preferred</text>`,
    `<text x="${TRACK.left}" y="283">on ${heldOutPairs} pairs that it never trained on; bars are 95 % intervals</text>`,
    `<path class="track dashed" d="M ${xOf(50)} ${CHART.firstRow - 20} V ${bottom}"/>`,
    `<text class="middle" x="${xOf(50)}" y="${bottom + 18}">a coin toss: 50 %</text>`,
    ...[
      ["base model", accuracy.base] as const,
      ["DPO", accuracy.dpo] as const,
      ["SimPO", accuracy.simpo] as const,
      ["α-DPO", accuracy.alphaDpo] as const,
    ].flatMap(accuracyLines),
  ]
}

export function startPicture(figures: StartFigures): string {
  const { base, alphaDpo } = figures.accuracy
  const said = `${figures.events} labelling events become ${figures.pairs} pairs. Held-out accuracy goes from ${base.percent.toFixed(1)} % to ${alphaDpo.percent.toFixed(1)} % with α-DPO, and ${figures.promoted} is promoted.`
  const lines = [...loopLines(stationsOf(figures)), ...chartLines(figures)]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title said">`,
    `<title id="title">What npm start shows</title>`,
    `<desc id="said">${said}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="14" style="fill: var(--paper)"/>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n")
}

if (import.meta.main) {
  mkdirSync(path.dirname(PICTURE), { recursive: true })
  writeFileSync(PICTURE, startPicture(startFigures(readFileSync(RECORDING, "utf8"))))
  console.log(PICTURE)
}
