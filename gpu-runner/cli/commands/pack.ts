// `yohaku pack inspect DIGEST|FILE|DIR`: what is in the pack of a run.
import { existsSync, statSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import {
  kindOfStart,
  MARKED_BYTES,
  noPack,
  type PackSummary,
  summaryOfPack,
} from "#gpu-runner/data/rows/pack-summary.ts"
import { cachedBlob } from "#gpu-runner/fleet/blob-cache.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import { isDigest } from "#shared/domain/Files.ts"
import { CommandFailed, defineCommand, UsageError } from "../command.ts"
import { gatewayKey, gatewayUrl, withKey } from "../gateway-access.ts"
import { text } from "../options.ts"
import { blobFoldersIn, type PackHere, packsIn, runnerDirectoryOf } from "../pack-folders.ts"

const MOST_ROWS = 1024
const MOST_LISTED = 20
const DEFAULT_DIRECTORY = ".yohaku/runner"

interface Place {
  /** Where what is fetched is kept. */
  readonly directory: string
  /** Where packs may be on this machine. */
  readonly folders: readonly string[]
  /** These, in words. */
  readonly named: string
  /** Of a gateway; absent: what is not on this machine is missed. */
  readonly url: string | undefined
}

export const command = defineCommand({
  name: "pack",
  summary: "Shows what is in a run's pack: counts, splits, where it comes from, its shards, and a few pairs.",
  details:
    "yohaku pack inspect DIGEST   a run's detail.pack.digest, or a shard's, among the blobs of the runners whose directories are in .yohaku,\n" +
    "                             those of `yohaku up` and `npm start` too; with --directory, of that one\n" +
    "yohaku pack inspect FILE     a manifest or a shard; of a manifest, the shards are looked for beside it, then there\n" +
    "yohaku pack inspect DIR      the pack in a runner's or a system's directory, or in those of a folder; of several, which they are\n\n" +
    "With --url what is missing is fetched into --directory: the manifest and its first shard. The key comes from YOHAKU_TOKEN: one with the\n" +
    "scope `read`.\n\n" +
    'With --json: {"kind": "manifest", "digest", "dataset", "snapshot", "splitRule", "tokenizer", "template", "reference", "pairs", "train",\n' +
    '"heldOut", "tokens", "verdicts"?, "bytes", "shards": [{"digest", "bytes", "pairs", "heldOut", "tokens"}], "shardsHere", "rows": [{"id", "split",\n' +
    '"weight", "promptTokens", "chosenTokens", "rejectedTokens", "chosenLogProb", "rejectedLogProb"}]}; of a shard "kind": "shard" and the\n' +
    "keys that it has.",
  words: ["action", "pack"],
  options: {
    url: text("URL", "a gateway to fetch from what is not on this machine"),
    directory: text("DIR", "a runner's directory, or the state directory of `yohaku up` or `npm start`"),
    rows: text("N", `pairs to show (5, at most ${MOST_ROWS})`),
  },
  run: async (values, terminal) => {
    const { action, pack } = values as { readonly action?: string; readonly pack?: string }
    if (action !== "inspect" || pack === undefined) throw new UsageError("say `yohaku pack inspect DIGEST|FILE|DIR`")
    const mostRows = rowCount(values.rows ?? "5")
    const { directory } = values
    const place = {
      directory: runnerDirectoryOf(directory ?? DEFAULT_DIRECTORY),
      folders: blobFoldersIn(directory),
      named: directory ?? "any folder in .yohaku",
      url: values.url,
    }
    const shown = await inspected(await fileOf(pack, place), place, mostRows)
    terminal.answer(shown, () => describe(shown))
  },
})

function rowCount(written: string): number {
  const count = Number(written)
  if (Number.isSafeInteger(count) && count >= 0 && count <= MOST_ROWS) return count
  throw new UsageError(`--rows ${written}: give a whole number from 0 to ${MOST_ROWS}`)
}

async function fileOf(pack: string, place: Place): Promise<string> {
  if (existsSync(pack)) return statSync(pack).isDirectory() ? onlyPackOf(pack) : pack
  if (!isDigest(pack))
    throw new UsageError(`there is no file ${pack}, and a digest has 64 digits from 0 to 9 and a to f`)
  const here = place.folders.map((folder) => path.join(folder, pack)).find((file) => existsSync(file))
  if (here !== undefined) return here
  if (place.url !== undefined) return fetched(pack, place, place.url)
  throw new CommandFailed(
    `${pack} is not in ${place.named}; give the --directory of the runner that had it, or --url of the gateway`,
    1,
  )
}

function onlyPackOf(folder: string): string {
  const packs = packsIn(folder)
  if (packs.length === 1) return packs[0]!.file
  throw new CommandFailed(
    packs.length === 0
      ? `${folder} holds no pack; give a runner's directory, a manifest's file, or a digest with --url of the gateway`
      : `${folder} holds ${packs.length} packs; give one of them:\n${packs.slice(0, MOST_LISTED).map(packLine).join("\n")}`,
    1,
  )
}

const packLine = ({ file, manifest }: PackHere): string =>
  manifest === undefined
    ? `${file}  damaged, or of another version`
    : `${file}  dataset ${manifest.dataset}, snapshot ${short(manifest.snapshot)}, ${countOf(manifest.pairs, "pair")}, ${manifest.reference === "" ? "without" : "with"} log-probs`

/** Of a manifest whose first shard is not here, that is fetched, where it may be, for the pairs that it begins with. */
async function inspected(file: string, place: Place, mostRows: number): Promise<PackSummary> {
  const summary = await summaryOfPack(file, mostRows, place.folders)
  const isRead = summary.kind === "shard" || summary.rows.length > 0 || mostRows === 0
  if (isRead || place.url === undefined) return summary
  const shard = await fetched(summary.shards[0]!.digest, place, place.url)
  return summaryOfPack(file, mostRows, [...place.folders, path.dirname(shard)])
}

function fetched(digest: string, { directory }: Place, written: string): Promise<string> {
  const url = gatewayUrl(written)
  const token = gatewayKey("YOHAKU_TOKEN", "read")
  const blob = packBlob(directory, digest).pipe(
    Effect.provide(layerHttp({ url, token })),
    Effect.catchTag("GatewayUnavailable", ({ message }) =>
      Effect.fail(new CommandFailed(`${url} does not answer: ${message}; start it, or give the address of another`, 1)),
    ),
    Effect.catchTag("CallRefused", (refused) => Effect.fail(refused.status === 404 ? notAt(url, digest) : refused)),
  )
  return withKey("YOHAKU_TOKEN", "read", Effect.runPromise(blob))
}

/** Nothing else is fetched: a digest may be that of a model's weights. */
const packBlob = Effect.fnUntraced(function* (directory: string, digest: string) {
  const api = yield* RunnerApi
  const start = yield* api.blobStart(digest, MARKED_BYTES)
  if (start !== undefined && kindOfStart(start.bytes) === undefined) return yield* Effect.fail(noPack(digest))
  return yield* cachedBlob(directory, digest)
})

const notAt = (url: string, digest: string): CommandFailed =>
  new CommandFailed(
    `${url} has no pack ${digest}; give the digest that a run tells (detail.pack.digest). Packs are deleted 30 days after their run (docs/operate.md#what-is-deleted-and-when): a new run writes one`,
    1,
  )

/** `1 pair`, `2 pairs`. */
const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const short = (digest: string): string => (digest === "" ? "none" : `${digest.slice(0, 12)}…`)

function describe(summary: PackSummary): string {
  const { digest, pairs, train, heldOut, tokens, bytes, rows, verdicts } = summary
  const where =
    summary.kind === "manifest"
      ? [
          `dataset ${summary.dataset}, snapshot ${short(summary.snapshot)}, split rule ${summary.splitRule}`,
          `tokenizer ${short(summary.tokenizer)}, template ${short(summary.template)}, reference ${short(summary.reference)}`,
          `${countOf(summary.shards.length, "shard")}, ${summary.shardsHere} of them on this machine${hereBut(summary)}:`,
          ...summary.shards.map(
            (shard) =>
              `  ${shard.digest}  ${countOf(shard.pairs, "pair")}, ${shard.heldOut} held out, ${shard.tokens} tokens, ${byteSize(shard.bytes)}`,
          ),
        ]
      : [
          `snapshot ${short(summary.snapshot)}, tokenizer ${short(summary.tokenizer)}, reference ${short(summary.reference)}`,
        ]
  return [
    `${summary.kind === "manifest" ? "pack" : "shard of a pack"} ${digest}`,
    `${countOf(pairs, "pair")}${verdicts === undefined ? "" : `, ${verdicts} of them verdicts`}: ${train} to train on, ${heldOut} held out; ${tokens} tokens, ${byteSize(bytes)}`,
    ...where,
    ...rows.map(rowLine),
  ].join("\n")
}

/** Why no pairs are shown. */
const hereBut = ({ rows, shardsHere, shards }: Extract<PackSummary, { kind: "manifest" }>): string =>
  rows.length > 0 || shardsHere === shards.length
    ? ""
    : "; with --url of the gateway the first is fetched and its pairs are shown"

function rowLine(row: PackSummary["rows"][number]): string {
  const scored = row.chosenLogProb === null ? "" : `, ${nats(row.chosenLogProb)} and ${nats(row.rejectedLogProb!)} nats`
  const lengths = `${row.promptTokens} + ${row.chosenTokens} | ${row.rejectedTokens} tokens`
  return `  ${short(row.id)}  ${row.split}, weight ${row.weight}, ${lengths}${scored}`
}

const nats = (sum: number): string => sum.toFixed(2)
