// What Git LFS leaves in a file's place until `git lfs pull`: a text of three lines that begins so.
// Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md

const MARK = "version https://git-lfs.github.com/spec/v1"
const MARK_BYTES = new TextEncoder().encode(MARK)

/** Whether a file is not itself but a pointer to it; its first 64 bytes are enough. */
export const isLfsPointer = (file: string | Uint8Array): boolean =>
  typeof file === "string" ? file.startsWith(MARK) : MARK_BYTES.every((byte, index) => file[index] === byte)
