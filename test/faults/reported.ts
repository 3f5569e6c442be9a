// The reported files that are read without a model, each with what is right: what must be learnt, and what must be said of the rest.
// Rows are those of the table in README.md beside this.

/** What `yohaku data check FILE --json` must say, but for the summary. What is not stated is empty. */
export interface Right {
  readonly rows?: number
  readonly pairs?: readonly object[]
  readonly dropped?: readonly object[]
  readonly ignoredColumns?: readonly string[]
  readonly takenBack?: readonly object[]
  /** Why training would end. */
  readonly refusal?: string
}

export interface Reported {
  readonly row: string
  /** In inputs/. */
  readonly file: string
  /** More arguments. */
  readonly argv?: readonly string[]
  readonly right: Right
}

const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })
const chat = (prompt: string, chosen: string, rejected: string) => {
  return { prompt: [user(prompt)], chosen: [assistant(chosen)], rejected: [assistant(rejected)] }
}
const greeting = chat("hi", "Hello there.", "Go away.")

const learns = (pair: object, ignoredColumns: readonly string[] = []): Right => {
  return { pairs: [{ row: 1, ...pair }], ignoredColumns }
}
/** A row that is no fault of anybody's: it states no preference. */
const drops = (reason: string, detail: string, row = 1): Right => ({ dropped: [{ row, reason, detail }] })
/** A row that cannot be used; one alone is more than a job allows. */
const refuses = (detail: string): Right => {
  return { ...drops("bad-row", detail), refusal: "1 of 1 row cannot be used, more than maxBadShare (0.05) allows" }
}

const tea = { prompt: "What is tea?", chosen: "A drink.", rejected: "A rock." }
const DELIVERIES = ["--source", "label-studio"]

const annotated: readonly Reported[] = [
  {
    row: "01",
    file: "01-ls-two-rating-criteria.json",
    right: refuses(
      "several answers could be meant: helpful_1 with helpful_2, style_1 with style_2; name the one to read in the mapping's `question`",
    ),
  },
  { row: "03", file: "03-ls-both-are-bad.json", right: drops("bad-quality", "all candidates were judged bad") },
  {
    row: "03b",
    file: "03b-ls-both-are-bad-file.jsonl",
    right: drops("bad-quality", "all candidates were judged bad"),
  },
  {
    row: "04",
    file: "04-ls-skip-after-submit.jsonl",
    argv: DELIVERIES,
    right: {
      rows: 2,
      dropped: [
        { row: 1, reason: "superseded", detail: "row 2 takes back what this annotation said" },
        { row: 2, reason: "discarded", detail: "the annotation was cancelled" },
      ],
      takenBack: [{ row: 2, scope: "annotation", externalId: "101", rows: [1] }],
    },
  },
  {
    row: "06",
    file: "06-ls-annotations-created.json",
    argv: DELIVERIES,
    right: {
      pairs: [
        { row: 1, prompt: "Q2?", chosen: "good 2", rejected: "bad 2" },
        { row: 1, prompt: "Q3?", chosen: "bad 3", rejected: "good 3" },
      ],
      takenBack: [],
    },
  },
  {
    row: "09",
    file: "09-argilla-multilabel-as-ranking.jsonl",
    right: learns({ ...tea, chosen: "A rock.", rejected: "A drink." }),
  },
  { row: "09b", file: "09b-argilla-multilabel-aborts.jsonl", right: learns(tea) },
  { row: "10", file: "10-argilla-comment-first.jsonl", right: learns(tea) },
  {
    row: "10",
    file: "10-argilla-comment-first-webhook.json",
    argv: ["--source", "argilla"],
    right: { ...learns(tea), takenBack: [] },
  },
  { row: "36", file: "36-argilla-flat-export.jsonl", right: learns(tea) },
  {
    row: "43",
    file: "43-ls-json-min.jsonl",
    right: refuses(
      "annotation_id is of Label Studio's JSON_MIN or CSV export, which does not say what a control is about; export JSON",
    ),
  },
  {
    row: "ranker",
    file: "ranker-by-webhook.json",
    argv: DELIVERIES,
    right: { ...learns({ prompt: "Q?", chosen: "two", rejected: "one" }), takenBack: [] },
  },
  {
    row: "two rankings",
    file: "argilla-two-rankings.jsonl",
    right: refuses("several answers could be meant: helpful, style; name the one to read in the mapping's `question`"),
  },
]

const tabled: readonly Reported[] = [
  {
    row: "20",
    file: "20-messages-as-python-text.csv",
    right: refuses(
      "chosen is a list of messages as Python prints it, which is no JSON; write the column with json.dumps, or the table as JSON Lines or Parquet",
    ),
  },
  {
    row: "21",
    file: "21-hh-ends-with-human.jsonl",
    right: drops("several-turns", 'chosen goes on with another turn ("\\n\\nHuman:") after the answer; end it before'),
  },
  {
    row: "30",
    file: "30-ultrafeedback-cleaned-columns.jsonl",
    right: learns(greeting, ["chosen-rating", "chosen-model", "rejected-rating", "rejected-model"]),
  },
  { row: "31", file: "31-orpo-mix-question-column.jsonl", right: learns(greeting, ["question"]) },
  {
    row: "32",
    file: "32-prompt-is-first-user-turn.jsonl",
    right: learns({
      ...chat("hi", "Well.", "No."),
      prompt: [user("hi"), assistant("Hello there."), user("and?")],
    }),
  },
  { row: "33", file: "33-llamafactory-sharegpt.jsonl", right: learns(chat("2+2?", "4", "5")) },
  { row: "33b", file: "33b-llamafactory-alpaca.jsonl", right: learns(chat("Add\n2+2", "4", "5")) },
  {
    row: "35",
    file: "35-arena-lone-surrogate.csv",
    right: {
      rows: 2,
      pairs: [{ row: 2, ...chat("hi", "ok", "no") }],
      dropped: [
        {
          row: 1,
          reason: "bad-row",
          detail: "response_a.0 holds half of a surrogate pair, which is no text; repair the string",
        },
      ],
      refusal: "1 of 2 rows cannot be used, more than maxBadShare (0.05) allows",
    },
  },
  {
    row: "38",
    file: "38-snowflake-id.jsonl",
    right: refuses("id is an integer too large to be read exactly, as 64-bit ids are; write it as text"),
  },
  {
    row: "38b",
    file: "38b-int64-in-unread-column.parquet",
    right: learns({ prompt: "hi", chosen: "a", rejected: "b" }),
  },
  {
    row: "39",
    file: "39-openai-weight.jsonl",
    right: learns(chat("hi", "x", "y"), ["preferred_output.weight"]),
  },
  {
    row: "41b",
    file: "41b-helpsteer3-null.jsonl",
    right: drops("unlabelled", "the row has no overall_preference"),
  },
  {
    row: "42",
    file: "42-human-assistant-roles.jsonl",
    right: refuses(
      'chosen.0.role is "Human", which chat templates do not know; call it "user" (the roles are system, user, assistant and tool)',
    ),
  },
  {
    row: "45",
    file: "45-body-with-bom.json",
    right: learns({ prompt: "Tea?", chosen: "A drink.", rejected: "A rock." }),
  },
]

export const REPORTED: readonly Reported[] = [...annotated, ...tabled]
