// Files that are no data file of a known kind, told by their first bytes: without it each of their lines would be a bad row.
import { closeSync, openSync, readSync } from "node:fs"
import { isLfsPointer } from "#shared/formats/git-lfs.ts"
import { InvalidDataFile } from "../errors.ts"

const HEAD_BYTES = 64

interface OtherKind {
  readonly begins: (head: Buffer) => boolean
  /** Names that may begin so. */
  readonly suffix?: string
  readonly fault: string
}

const startsWith =
  (...bytes: readonly number[]) =>
  (head: Buffer) =>
    bytes.every((byte, index) => head[index] === byte)
/** Of the first four bytes, which are 0: so a Latin letter is in the wider encodings. */
const hasNulls =
  (...isNull: readonly boolean[]) =>
  (head: Buffer) =>
    head.length >= isNull.length && isNull.every((is, index) => (head[index] === 0) === is)
const isPickle = (head: Buffer): boolean => head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5
const says = (text: string) => (head: Buffer) => head.toString("latin1").trimStart().toLowerCase().startsWith(text)

const KINDS: readonly OtherKind[] = [
  {
    begins: isLfsPointer,
    fault: "is a Git LFS pointer and not the file itself; fetch it with git lfs pull",
  },
  {
    begins: says("<!doctype html"),
    fault: "is a web page; fetch the file itself (on a hub: its raw or resolve address)",
  },
  { begins: says("<html"), fault: "is a web page; fetch the file itself (on a hub: its raw or resolve address)" },
  { begins: says("par1"), suffix: ".parquet", fault: "is a Parquet file under another name; call it .parquet" },
  { begins: says("arrow1"), fault: "is an Arrow file; write Parquet (Dataset.to_parquet) or JSON Lines" },
  { begins: startsWith(0x1f, 0x8b), suffix: ".gz", fault: "is gzipped under another name; end its name with .gz" },
  {
    begins: startsWith(0x50, 0x4b, 3, 4),
    fault: "is a ZIP or Excel file; unpack it, or save the sheet as CSV in UTF-8",
  },
  { begins: startsWith(0xff, 0xfe, 0, 0), fault: "is UTF-32; save it as UTF-8" },
  { begins: startsWith(0, 0, 0xfe, 0xff), fault: "is UTF-32; save it as UTF-8" },
  { begins: hasNulls(false, true, true, true), fault: "is UTF-32; save it as UTF-8" },
  { begins: hasNulls(true, true, true, false), fault: "is UTF-32; save it as UTF-8" },
  { begins: hasNulls(false, true, false, true), fault: "is UTF-16; save it as UTF-8" },
  { begins: hasNulls(true, false, true, false), fault: "is UTF-16; save it as UTF-8" },
  { begins: isPickle, fault: "is a Python pickle; write Parquet (to_parquet) or JSON Lines" },
  { begins: startsWith(0xff, 0xfe), fault: "is UTF-16; save it as UTF-8" },
  { begins: startsWith(0xfe, 0xff), fault: "is UTF-16; save it as UTF-8" },
]

/** Throws InvalidDataFile where the file is of another kind than its name says. */
export function refuseOtherFiles(file: string): void {
  const head = headOf(file)
  const kind = KINDS.find(({ begins, suffix }) => begins(head) && (suffix === undefined || !file.endsWith(suffix)))
  if (kind !== undefined) throw new InvalidDataFile(file, 0, kind.fault)
  if (file.endsWith(".tsv")) throw new InvalidDataFile(file, 0, "is a table with tabs; write it with commas, as .csv")
}

function headOf(file: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  const descriptor = openSync(file, "r")
  try {
    return head.subarray(0, readSync(descriptor, head, 0, HEAD_BYTES, 0))
  } finally {
    closeSync(descriptor)
  }
}
