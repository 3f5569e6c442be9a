// A file of blocks: what was written whole is read back, whatever a kill or a fault left of the rest.
import { readFileSync, truncateSync, writeFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { BlockFile } from "#gpu-runner/data/run/block-file.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const mine = "a".repeat(64)

function written(name: string, blocks: readonly Uint8Array[]) {
  const file = new BlockFile(workspace.at(name, "blocks"), mine)
  expect([...file.read()]).toEqual([])
  for (const block of blocks) file.append(block)
  return file
}

test("blocks are read back in order, empty ones too", () => {
  const blocks = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)]
  expect([...written("whole", blocks).read()]).toEqual(blocks)
})

test("half a block is cut off wherever the kill came, and the next one follows the whole ones", () => {
  written("half", [Uint8Array.of(1, 2), Uint8Array.of(3, 4, 5)])
  const path = workspace.at("half", "blocks")
  const whole = readFileSync(path)
  const firstEnd = 64 + 4 + 64 + 2
  for (let end = firstEnd; end < whole.length; end++) {
    writeFileSync(path, whole.subarray(0, end))
    expect([...new BlockFile(path, mine).read()]).toEqual([Uint8Array.of(1, 2)])
    expect(readFileSync(path).length).toBe(firstEnd)
  }
  const file = new BlockFile(path, mine)
  file.append(Uint8Array.of(6))
  expect([...file.read()]).toEqual([Uint8Array.of(1, 2), Uint8Array.of(6)])
})

test("blocks are read as they are asked for: a changed one behind is no matter to those before it", () => {
  const file = written("lazy", [Uint8Array.of(1), Uint8Array.of(2)])
  const blocks = file.read()
  expect(blocks.next().value).toEqual(Uint8Array.of(1))
  const path = workspace.at("lazy", "blocks")
  writeFileSync(path, readFileSync(path).subarray(0, -1))
  expect(blocks.next()).toEqual({ done: true, value: undefined })
  expect(readFileSync(path).length).toBe(64 + 4 + 64 + 1)
})

test("a changed byte ends what is believed", () => {
  written("changed", [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)])
  const path = workspace.at("changed", "blocks")
  const bytes = readFileSync(path)
  bytes[64 + 2 * (4 + 64 + 1) - 1]! ^= 1
  writeFileSync(path, bytes)
  expect([...new BlockFile(path, mine).read()]).toEqual([Uint8Array.of(1)])
})

test("blocks of another owner, or a file cut within its head, are begun again", () => {
  written("other", [Uint8Array.of(1)])
  const path = workspace.at("other", "blocks")
  expect([...new BlockFile(path, "b".repeat(64)).read()]).toEqual([])
  expect([...new BlockFile(path, mine).read()]).toEqual([])
  truncateSync(path, 10)
  expect([...new BlockFile(path, mine).read()]).toEqual([])
})
