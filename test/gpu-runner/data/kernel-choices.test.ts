// Measured kernel choices on disk.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, expect, test } from "vitest"
import { choicesFile, readKernelChoices, writeKernelChoices } from "#gpu-runner/data/kernel-choices.ts"

const folder = mkdtempSync(path.join(tmpdir(), "yohaku-kernels-"))
afterAll(() => rmSync(folder, { recursive: true }))

test("choices are read back for the adapter that they were measured on, and for no other", () => {
  const choices = { "mixed.along.along.bf16.2048x2048x2048": "matrix.128.4x2" }
  expect(readKernelChoices("card|driver 1", folder)).toBeUndefined()
  expect(writeKernelChoices("card|driver 1", choices, folder)).toBe(choicesFile("card|driver 1", folder))
  expect(readKernelChoices("card|driver 1", folder)).toEqual(choices)
  expect(readKernelChoices("card|driver 2", folder)).toBeUndefined()
})

test("a file that cannot be read counts as none", () => {
  writeFileSync(choicesFile("torn", folder), '{"choices": {"a"')
  expect(readKernelChoices("torn", folder)).toBeUndefined()
})
