// Laws of the kinds that have no property elsewhere (README.md says where the others are): not the reported case, but all of its siblings.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { ChatTemplate } from "#shared/tokenisation/chat-template.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { SMALL_LLAMA_FIELDS } from "#test/reference/random-decoder.ts"
import { byFile, byWebhook } from "#test/shared/judgement/sources/ways-in.ts"
import { ASSISTANT, BOS, byteIds, EOS, tokenizerJson, USER } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const SEED = 20_261_128
const anyWord = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).map((text) => `x${text}`)
const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })

describe("labelling tools", () => {
  test("row 06: an event of many annotations says what each of them says alone, whatever the order of their tasks", async () => {
    const sides = fc.array(fc.constantFrom("left", "right", "middle"), { minLength: 1, maxLength: 5 })
    const shuffled = sides.chain((said) =>
      fc.tuple(fc.constant(said), fc.shuffledSubarray([...said.keys()], { minLength: said.length })),
    )
    await fc.assert(
      fc.asyncProperty(shuffled, async ([said, order]) => {
        const annotation = said.map((selected, id) => {
          const result = [{ type: "pairwise", from_name: "p", to_name: "a,b", value: { selected } }]
          return { id, task: 100 + id, was_cancelled: false, result }
        })
        const tasks = said.map((_, id) => ({ id: 100 + id, data: { prompt: `Q${id}`, a: `a${id}`, b: `b${id}` } }))
        const alone = annotation.flatMap((one, id) =>
          byWebhook("label-studio", { action: "ANNOTATION_CREATED", annotation: one, task: tasks[id] }),
        )
        const task = order.map((id) => tasks[id])
        expect(byWebhook("label-studio", { action: "ANNOTATIONS_CREATED", annotation, task })).toEqual(alone)
      }),
      { numRuns: 200, seed: SEED },
    )
  })

  test("row 36: Argilla's flat export says what its nested one does, whoever answered which question", async () => {
    const fields = { prompt: "Q?", response_a: "one", response_b: "two" }
    const questions = {
      preference: fc.constantFrom("response_a", "response_b", "tie"),
      problems: fc.subarray(["too short", "no source"], { minLength: 1 }),
      comment: fc.constantFrom("b is off topic", "hm"),
      response_a_rating: fc.integer({ min: 1, max: 5 }),
      response_b_rating: fc.integer({ min: 1, max: 5 }),
    }
    // Of one response all answers have its status: one that is a draft makes the others drafts.
    const status = fc.constantFrom(...Array.from({ length: 6 }, () => "submitted"), "draft", "discarded")
    const answers = (value: fc.Arbitrary<unknown>) =>
      fc.uniqueArray(fc.record({ value, user_id: fc.constantFrom("u1", "u2", "u3"), status }), {
        selector: ({ user_id }) => user_id,
        maxLength: 3,
      })
    const form = fc.record(Object.fromEntries(Object.entries(questions).map(([name, value]) => [name, answers(value)])))
    let taught = 0
    await fc.assert(
      fc.asyncProperty(form, async (asked) => {
        const responses = Object.entries(asked).filter(([, given]) => given.length > 0)
        const flat = responses.flatMap(([name, given]) => [
          [`${name}.responses`, given.map(({ value }) => value)],
          [`${name}.responses.users`, given.map(({ user_id }) => user_id)],
          [`${name}.responses.status`, given.map(({ status: said }) => said)],
        ])
        const nested = await byFile({ id: "r1", fields, responses: Object.fromEntries(responses) })
        const base = { id: "r1", status: "completed", _server_id: "x", ...fields, "preference.suggestion": null }
        expect(await byFile({ ...base, ...Object.fromEntries(flat) })).toEqual(nested)
        if (nested.some((part) => typeof part !== "string")) taught += 1
      }),
      { numRuns: 300, seed: SEED },
    )
    expect(taught).toBeGreaterThan(50)
  })

  test("row 43: JSON_MIN is refused by name, whatever its controls are called", async () => {
    const own = ["id", "annotator", "annotation_id", "lead_time", "created_at", "updated_at"]
    const controls = fc.dictionary(anyWord, fc.oneof(anyWord, fc.nat(), fc.constant({ choices: ["a", "b"] })), {
      maxKeys: 4,
    })
    await fc.assert(
      fc.asyncProperty(controls, async (values) => {
        const record = { ...Object.fromEntries(own.map((name) => [name, 1])), prompt: "Q?", answer_1: "a", ...values }
        expect(await byFile(record)).toEqual([expect.stringMatching(/JSON_MIN .* export JSON$/)])
      }),
      { numRuns: 100, seed: SEED },
    )
  })
})

describe("rows of other sets", () => {
  const outcome = async (fields: Readonly<Record<string, unknown>> | string) => {
    try {
      const { pairs, dropped } = await parsePreferenceRecord(fields)
      return { pairs: pairs.map(({ prompt, chosen, rejected }) => ({ prompt, chosen, rejected })), dropped }
    } catch (error) {
      return { refused: (error as Error).message }
    }
  }

  test("row 20: messages as Python prints them are refused in the prompt and in the answers, and never learnt as text", async () => {
    const turns = fc.array(fc.record({ role: fc.constantFrom("user", "assistant"), content: anyWord }), {
      minLength: 1,
    })
    const asPython = new ChatTemplate("{{ messages }}", {})
    await fc.assert(
      fc.asyncProperty(turns, fc.constantFrom(["prompt"], ["chosen", "rejected"]), async (messages, columns) => {
        const printed = asPython.render(messages, { addGenerationHeader: false })
        // One answer alone may be about such a list.
        const cells = Object.fromEntries(columns.map((column) => [column, printed]))
        const row = { prompt: "q", chosen: "yes", rejected: "no", ...cells }
        expect(await outcome(row)).toEqual({ refused: expect.stringMatching(/as Python prints it/) })
      }),
      { numRuns: 300, seed: SEED },
    )
  })

  test.each([
    ["a tuple", (text: string) => `({'role': 'user', 'content': 'hi'}, {'role': 'assistant', 'content': '${text}'})`],
    ["another key first", (text: string) => `[{'id': 1, 'role': 'assistant', 'content': '${text}'}]`],
    ["a nested list", (text: string) => `[[{'role': 'assistant', 'content': '${text}'}]]`],
    ["OrderedDict", (text: string) => `[OrderedDict([('role', 'assistant'), ('content', '${text}')])]`],
    ["JavaScript", (text: string) => `[{role: 'assistant', content: '${text}'}]`],
    ["JSON quoted once more", (text: string) => JSON.stringify(JSON.stringify([{ id: 1, ...assistant(text) }]))],
  ])("row 20: messages written as %s are no text either", async (_, written) => {
    const read = await outcome({ prompt: "hi", chosen: written("yes"), rejected: written("no") })
    expect(read.refused).toMatch(/as Python prints it|give the prompt/)
  })

  test("row 20: JSON messages whose first key is another are messages, and objects that only name a role are text", async () => {
    const cell = (text: string) =>
      JSON.stringify([
        { id: 1, ...user("hi") },
        { id: 2, ...assistant(text) },
      ])
    const read = await outcome({ prompt: "hi", chosen: cell("yes"), rejected: cell("no") })
    expect(read.pairs).toEqual([{ prompt: [user("hi")], chosen: [assistant("yes")], rejected: [assistant("no")] }])
    const [ada, bob] = ["Ada", "Bob"].map((name) => JSON.stringify({ name, role: "admin" }))
    const objects = await outcome({ prompt: "Who?", chosen: ada, rejected: bob })
    expect(objects.pairs).toEqual([{ prompt: "Who?", chosen: ada, rejected: bob }])
    // A request that holds messages is an answer about them.
    const [one, two] = ["hi", "hello"].map((text) => JSON.stringify({ model: "m", messages: [user(text)] }))
    const requests = await outcome({ prompt: "How do I call it?", chosen: one, rejected: two })
    expect(requests.pairs).toEqual([{ prompt: "How do I call it?", chosen: one, rejected: two }])
  })

  test("row 21: a transcript that goes on after the answer is no pair, on whichever side, however long it goes on", async () => {
    const more = fc.array(fc.constantFrom("Human", "Assistant"), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(anyWord, more, fc.boolean(), async (text, speakers, isChosen) => {
        const plain = ["yes", "no"].map((answer) => `\n\nHuman: ${text}\n\nAssistant: ${answer}`)
        expect((await outcome({ chosen: plain[0], rejected: plain[1] })).pairs).toHaveLength(1)
        const longer = plain.with(isChosen ? 0 : 1, plain[0] + speakers.map((name) => `\n\n${name}: ${text}`).join(""))
        const read = await outcome({ chosen: longer[0], rejected: longer[1] })
        expect(read.pairs ?? []).toEqual([])
        expect(read.refused ?? read.dropped![0]!.reason).toMatch(/another conversation|several-turns/)
      }),
      { numRuns: 300, seed: SEED },
    )
  })

  test("row 32: however a shared conversation is said beside the answers, all of its turns are the prompt", async () => {
    const texts = fc.uniqueArray(anyWord, { minLength: 3, maxLength: 9 }).filter(({ length }) => length % 2 === 1)
    await fc.assert(
      fc.asyncProperty(texts, async ([chosen, rejected, ...said]) => {
        const shared = said.map((text, index) => (index % 2 === 0 ? user(text) : assistant(text)))
        const whole = { chosen: [...shared, assistant(chosen!)], rejected: [...shared, assistant(rejected!)] }
        const right = {
          pairs: [{ prompt: shared, chosen: [assistant(chosen!)], rejected: [assistant(rejected!)] }],
          dropped: [],
        }
        const prompts = [{}, { prompt: said[0] }, { prompt: said.at(-1) }]
        for (const prompt of prompts) expect(await outcome({ ...whole, ...prompt })).toEqual(right)
        const other = await outcome({ ...whole, prompt: `${said.join("")}?` })
        expect(other.refused).toMatch(/^prompt /)
      }),
      { numRuns: 200, seed: SEED },
    )
  })

  test("row 38: an id beyond 2^53 is said to be too large, and one within is read", async () => {
    const ids = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n })
    await fc.assert(
      fc.asyncProperty(ids, async (id) => {
        const isExact = id >= BigInt(Number.MIN_SAFE_INTEGER) && id <= BigInt(Number.MAX_SAFE_INTEGER)
        const read = await outcome(`{"id": ${id}, "prompt": "hi", "chosen": "a", "rejected": "b"}`)
        if (isExact) expect(read.pairs).toHaveLength(1)
        else expect(read.refused).toMatch(/^id is an integer too large to be read exactly, .* write it as text$/)
      }),
      { numRuns: 300, seed: SEED },
    )
  })

  test("row 41b: candidates whose score is null are left out, and the others are compared as without them", async () => {
    const scored = fc.array(fc.option(fc.integer({ min: 1, max: 5 })), { minLength: 2, maxLength: 5 })
    const shapes = [
      ["prompt", "responses", "scores"],
      ["prompt", "generations", "ratings"],
    ] as const
    await fc.assert(
      fc.asyncProperty(scored, fc.constantFrom(...shapes), async (scores, [prompt, responses, numbers]) => {
        const texts = scores.map((_, index) => `answer ${index}`)
        const kept = texts.filter((_, index) => scores[index] !== null)
        const all = await outcome({ [prompt]: "q", [responses]: texts, [numbers]: scores })
        const without = { [prompt]: "q", [responses]: kept, [numbers]: scores.filter((score) => score !== null) }
        if (kept.length < 2) expect(all.pairs ?? []).toEqual([])
        else expect(all.pairs).toEqual((await outcome(without)).pairs)
        expect(all.refused).toBeUndefined()
      }),
      { numRuns: 200, seed: SEED },
    )
  })

  test("row 42: a role that people write for one that templates know is refused with the name to use, in any letter case", async () => {
    const names = {
      user: ["user", "human", "prompter"],
      assistant: ["assistant", "gpt", "ai", "bot", "chatgpt", "model"],
    }
    const role = fc.constantFrom(
      ...Object.entries(names).flatMap(([right, said]) => said.map((name) => [right, name] as const)),
    )
    const cased = fc.tuple(role, fc.func(fc.boolean())).map(([[right, name], isLarge]) => {
      return [right, [...name].map((letter, at) => (isLarge(at) ? letter.toUpperCase() : letter)).join("")] as const
    })
    await fc.assert(
      fc.asyncProperty(cased, async ([right, written]) => {
        const conversation = (answer: string) => [{ role: written, content: "q" }, assistant(answer)]
        const read = await outcome({ chosen: conversation("a"), rejected: conversation("b") })
        if (written === right) expect(read.refused).toBeUndefined()
        else expect(read.refused).toContain(`is "${written}", which chat templates do not know; call it "${right}"`)
      }),
      { numRuns: 200, seed: SEED },
    )
  })
})

describe("a model's files", () => {
  test("row 19: BOS and EOS are the model's, in whichever of its files and forms they are named", () => {
    const template =
      "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}" +
      "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    const place = fc.record({ file: fc.constantFrom("map", "config", "both"), isObject: fc.boolean() })
    fc.assert(
      fc.property(fc.tuple(place, place), (places) => {
        const files = { map: {}, config: {} } as Record<string, Record<string, unknown>>
        for (const [index, { file, isObject }] of places.entries()) {
          const [name, content] = [
            ["bos_token", "<s>"],
            ["eos_token", "</s>"],
          ][index] as [string, string]
          for (const one of file === "both" ? ["map", "config"] : [file])
            files[one]![name] = isObject ? { content, lstrip: false } : content
        }
        const tokenisation = Tokenisation.fromFiles({
          tokenizerJson: tokenizerJson({ addsBos: false }),
          tokenizerConfigJson: { chat_template: template, ...files.config },
          specialTokensMapJson: JSON.stringify(files.map),
        })
        const text = { prompt: [user("q")], response: [assistant("a")] }
        const read = tokenisation.tokeniseResponse(text, { maxLength: 99 })
        expect(read._tag === "Tokenised" && [[...read.promptIds], [...read.responseIds]]).toEqual([
          [BOS, USER, ...byteIds("q"), EOS, ASSISTANT],
          [...byteIds("a"), EOS],
        ])
      }),
      { numRuns: 100, seed: SEED },
    )
  })

  test("options that change nothing in the reference implementation change nothing here, and others are refused", () => {
    const scalings = ["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor", "beta_fast"]
    const leftOver = fc.dictionary(fc.constantFrom(...scalings), fc.integer({ min: 1, max: 64 }))
    const ends = fc.array(fc.integer({ min: -1, max: 9 }), { maxLength: 3 })
    const plain = parseDecoderConfig(SMALL_LLAMA_FIELDS)
    fc.assert(
      fc.property(leftOver, fc.integer({ min: 1, max: 8 }), ends, (scaling, pretraining_tp, eos_token_id) => {
        const rope_scaling = { rope_type: "default", ...scaling }
        const config = parseDecoderConfig({ ...SMALL_LLAMA_FIELDS, rope_scaling, pretraining_tp, eos_token_id })
        expect(config).toEqual({ ...plain, eosTokenIds: eos_token_id.filter((id) => id !== -1) })
      }),
      { numRuns: 100, seed: SEED },
    )
    for (const fields of [{ eos_token_id: -2 }, { rope_scaling: { rope_type: "default", mrope_section: [1, 2] } }])
      expect(() => parseDecoderConfig({ ...SMALL_LLAMA_FIELDS, ...fields })).toThrow(InvalidModel)
  })
})
