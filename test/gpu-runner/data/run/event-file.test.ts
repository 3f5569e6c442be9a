// TensorBoard files: known checksums, and every byte read back by a reader of its own that shares nothing with the writer.
import { appendFileSync, existsSync, readdirSync } from "node:fs"
import fc from "fast-check"
import { afterAll, describe, expect, test } from "vitest"
import { EventFile } from "#gpu-runner/data/run/event-file.ts"
import { crc32c, frameRecord, maskedCrc32c, scalarEvent, versionEvent } from "#gpu-runner/data/run/event-records.ts"
import { eventOf, readEvents } from "../../support/read-events.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const text = (value: string) => new TextEncoder().encode(value)

describe("CRC-32C", () => {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  test.each([
    ["32 bytes of zero", new Uint8Array(32), 0x8a9136aa],
    ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["31 down to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ["123456789", text("123456789"), 0xe3069283],
    ["nothing", new Uint8Array(0), 0],
  ])("of %s", (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected)
  })

  test("the mask turns by 15 bits and adds 0xa282ead8, and can be undone", () => {
    const masked = maskedCrc32c(text("foo"))
    const turned = (masked - 0xa282ead8) >>> 0
    expect(((turned >>> 17) | (turned << 15)) >>> 0).toBe(crc32c(text("foo")))
    expect(maskedCrc32c(new Uint8Array(0))).toBe(0xa282ead8)
  })
})

test("records and events have these bytes", () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
  expect(hex(versionEvent(1.5))).toBe("09000000000000f83f1a0d627261696e2e4576656e743a32")
  expect(hex(scalarEvent(1234567890.25, 300, { "train/loss": 0.5, "eval/accuracy": -0.75 }))).toBe(
    "09000090b48065d24110ac022a290a110a0a747261696e2f6c6f7373150000003f0a140a0d6576616c2f616363757261637915000040bf",
  )
  expect(hex(frameRecord(scalarEvent(0, 0, {})))).toBe("0d000000000000003c37b83409000000000000000010002a006d31e5b4")
})

test("a file begins with its version; scalars have transformers' tags, and what is no finite number is left out", () => {
  const folder = workspace.at("written")
  const file = new EventFile(folder)
  file.append(1, { step: 1, loss: 0.5, "rewards/margins": -1.25, eval_accuracy: 0.75, skipped: true, grad_norm: null })
  file.append(300, { loss: 2 ** 20, "pairs/kept": 7, "reference/digest": "ab" })
  file.append(301, {
    loss: Number.NaN,
    grad_norm: Number.POSITIVE_INFINITY,
    eval_loss: Number.NEGATIVE_INFINITY,
    lr: 0,
  })
  const [version, first, ...others] = readEvents(folder)
  expect(version).toMatchObject({ step: 0, version: "brain.Event:2", scalars: {} })
  expect(first).toEqual({
    wallTime: first!.wallTime,
    step: 1,
    version: undefined,
    scalars: { "train/loss": 0.5, "train/rewards/margins": -1.25, "eval/accuracy": 0.75 },
  })
  expect(others.map(({ step, scalars }) => [step, scalars])).toEqual([
    [300, { "train/loss": 2 ** 20 }],
    [301, { "train/lr": 0 }],
  ])
  expect(Math.abs(first!.wallTime - Date.now() / 1000)).toBeLessThan(60)
})

test("a step of which nothing is a finite number leaves no event", () => {
  const folder = workspace.at("not-finite")
  const file = new EventFile(folder)
  file.append(1, { step: 1, loss: Number.NaN, "pairs/kept": 3 })
  expect(existsSync(folder)).toBe(false)
  file.append(2, { loss: 0 })
  expect(readEvents(folder).map(({ step, scalars }) => [step, scalars])).toEqual([
    [0, {}],
    [2, { "train/loss": 0 }],
  ])
})

test("a resumed run cuts off later steps and half an event, and goes on in the same file without a step twice", () => {
  const folder = workspace.at("resumed")
  const file = new EventFile(folder)
  for (const step of [0, 1, 2, 3]) file.append(step, { loss: step })
  appendFileSync(`${folder}/${readdirSync(folder)[0]}`, scalarEvent(1, 4, { loss: 4 }).subarray(0, 9))
  const resumed = new EventFile(folder)
  resumed.truncate(1)
  for (const step of [2, 3]) resumed.append(step, { loss: 10 * step })
  expect(readEvents(folder).map(({ step, scalars }) => [step, scalars["train/loss"]])).toEqual([
    [0, undefined],
    [0, 0],
    [1, 1],
    [2, 20],
    [3, 30],
  ])
})

test("cleared, it starts a new file", () => {
  const folder = workspace.at("cleared")
  const file = new EventFile(folder)
  file.append(1, { loss: 1 })
  file.clear()
  expect(readdirSync(folder)).toEqual([])
  file.append(1, { loss: 2 })
  expect(readEvents(folder)).toHaveLength(2)
})

test("any step and any tags come back as they were written", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 2 ** 31 - 1 }),
      fc.dictionary(fc.string({ minLength: 1, maxLength: 200 }), fc.float({ noNaN: true }), { maxKeys: 5 }),
      (step, scalars) => {
        const event = eventOf(Buffer.from(scalarEvent(12.5, step, scalars)))
        expect(event).toEqual({ wallTime: 12.5, step, version: undefined, scalars: { ...scalars } })
      },
    ),
  )
})
