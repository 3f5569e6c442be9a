// Random templates of the constructs that chat templates use, and random variables for them. Expressions are drawn by type,
// so that most render; one in ten is of any type, for the errors. Over 300 lines: one grammar.
import fc from "fast-check"

export interface TemplateCase {
  readonly template: string
  readonly variables: Readonly<Record<string, unknown>>
}

const pick = (...texts: readonly string[]) => fc.constantFrom(...texts)

/** A text whose every {} is drawn from the arbitrary at its place. */
function form(text: string, ...holes: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  const pieces = text.split("{}")
  return fc.tuple(...holes).map((drawn) => pieces.map((piece, index) => piece + (drawn[index] ?? "")).join(""))
}

const literal = pick(
  "''",
  "'a'",
  "'ab c'",
  '"it\'s"',
  "'\\n'",
  "' x\\n'",
  "'é茶'",
  "'😀a'",
  "'</think>'",
  "'<think>'",
  "'a,b,,c'",
  "'%s'",
  "'Ab'",
  "'a' 'b'",
  "'\\t\\u00e9\\x41'",
  "'12'",
  "'1.50'",
)
const integer = pick("0", "1", "2", "3", "7", "-1", "-3", "10", "1_000", "true", "false")
const float = pick("0.5", "1.0", "2.5", "-1.5", "1e16", "1e-05", "0.1", "3.0", "1e22")

const { text, list, condition, any } = fc.letrec<Record<string, string>>((tie) => {
  const [text, number, list, dict, condition, any] = ["text", "number", "list", "dict", "condition", "any"].map(
    (name) => tie(name),
  ) as fc.Arbitrary<string>[] as [
    fc.Arbitrary<string>,
    fc.Arbitrary<string>,
    fc.Arbitrary<string>,
    fc.Arbitrary<string>,
    fc.Arbitrary<string>,
    fc.Arbitrary<string>,
  ]
  const bound = pick("", "", "0", "1", "2", "-1", "-2", "5", "n")
  const step = pick("", "", ":", ":-1", ":2", ":-2", ":1")
  const chars = pick("", "'\\n'", "' '", "'ab'", "none", "'\\n '", "'x'")
  const oneOf = (...arbitraries: readonly fc.Arbitrary<string>[]) =>
    fc.oneof({ depthSize: "small", withCrossShrink: true }, ...arbitraries)
  return {
    text: oneOf(
      literal,
      pick(
        "s",
        "empty",
        "unicode",
        "messages[0].content",
        "messages[-1]['content']",
        "bos_token",
        "tools[0].function.name",
      ),
      form("({} + {})", text, text),
      form("{} ~ {}", text, any),
      form("({}).{}({})", text, pick("strip", "lstrip", "rstrip"), chars),
      form(
        "({}){}",
        text,
        pick(
          ".upper()",
          ".lower()",
          ".title()",
          ".capitalize()",
          ".strip()",
          "|upper",
          "|lower",
          "|title",
          "|capitalize",
          "|trim",
          "|string",
          "|safe ~ ''",
          "[::-1]",
          "|reverse",
          "[0]",
          "[-1]",
        ),
      ),
      form("({}).replace({}, {}{})", text, text, text, pick("", ", 1", ", 0")),
      form("({}|replace({}, {}))", text, text, text),
      form("({})[{}:{}{}]", text, bound, bound, step),
      form("({}).split({})[{}]", text, pick("'</think>'", "','", "", "'a'", "'\\n', 1"), pick("0", "-1")),
      form("({}).join({})", text, pick("ss", "['a', 'b']", "[]", "s", "d")),
      form("({}|join({}))", list, pick("", "', '", "'\\n'", "n")),
      form(
        "({}|tojson{})",
        any,
        pick(
          "",
          "(indent=2)",
          "(indent=4)",
          "(ensure_ascii=true)",
          "(separators=(',', ':'))",
          "(sort_keys=true)",
          "(indent=0)",
        ),
      ),
      form("({}|string)", any),
      form("('%s:%s' % ({}, {}))", any, any),
      form("('%d|%5.2f|%-4s|%03d' % ({}, {}, {}, {}))", number, number, text, number),
      form("'{}-{}'.format({}, {})".replace("{}-{}", "\0"), any, any).map((value) =>
        value.replace("\0", "{}-{1}".replace("{1}", "{}")),
      ),
      form("({} if {} else {})", text, condition, text),
      form("({} if {})", text, condition),
      form("({}|default({}{}))", pick("missing", "s", "none", "empty", "d.missing"), text, pick("", ", true")),
      form("({} or {})", text, text),
      form("({}|indent({}))", text, pick("", "2", "2, true", "width=3, first=true", "'> '")),
      form("({}|truncate({}, {}, '..', 0))", text, pick("3", "4", "9"), pick("true", "false")),
      form("({} * {})", text, pick("2", "0", "-1", "true")),
    ),
    number: oneOf(
      integer,
      float,
      pick("n", "big", "whole", "xs[0]", "xs|length", "messages|length", "s|length", "d|count"),
      form("({} {} {})", number, pick("+", "-", "*"), number),
      form("({} {} {})", number, pick("/", "//", "%"), pick("2", "3", "-2", "2.5", "n", "0")),
      form("({} ** {})", pick("2", "-3", "n"), pick("0", "2", "3")),
      form("(-{})", pick("n", "2", "1.5", "true")),
      form("({}|{})", number, pick("int", "abs", "round", "round(1)", "round(0, 'ceil')", "round(1, 'floor')")),
      form("({}|{})", text, pick("int", "float", "length", "int(7)")),
      form("({}).{}({})", text, pick("find", "count", "rfind"), literal),
      form("(xs|{})", pick("sum", "min", "max", "first", "last")),
      form("({} if {} else {})", number, condition, number),
    ),
    list: oneOf(
      pick(
        "xs",
        "ss",
        "mixed",
        "[]",
        "[1, 2, 3]",
        "['b', 'A', 'c']",
        "(1, 'a')",
        "(1,)",
        "range(3)|list",
        "range(5, 0, -2)|list",
      ),
      form("[{}, {}]", any, any),
      form("({} + {})", pick("xs", "ss", "mixed"), pick("xs", "[none]", "[{}]")),
      form("({})[{}:{}{}]", pick("xs", "ss", "mixed", "messages"), bound, bound, step),
      form("(messages|map(attribute='{}')|list)", pick("role", "content", "missing")),
      form(
        "(messages|{}('role', '{}', 'user')|list)",
        pick("selectattr", "rejectattr"),
        pick("equalto", "==", "ne", "eq"),
      ),
      form(
        "(messages|{}('{}'{})|list)",
        pick("selectattr", "rejectattr"),
        pick("tool_calls", "content"),
        pick("", ", 'defined'", ", 'none'", ", 'undefined'"),
      ),
      form(
        "({}|map('{}')|list)",
        pick("ss", "mixed", "xs"),
        pick("upper", "string", "tojson", "length", "trim", "title"),
      ),
      form(
        "({}|{}('{}')|list)",
        pick("xs", "mixed"),
        pick("select", "reject"),
        pick("odd", "string", "number", "none", "defined", "mapping"),
      ),
      form("(d|{})", pick("dictsort", "dictsort(true)", "dictsort(reverse=true)", "list", "items|list")),
      form("d.{}()|list", pick("items", "keys", "values")),
      form("({}).split({})", text, pick("", "','", "'a'", "none, 1", "',', 1")),
      form(
        "({}).{}",
        text,
        pick("splitlines()", "splitlines(true)", "rsplit('a', 1)", "partition('a')", "rpartition(',')"),
      ),
      form(
        "({}|{})",
        pick("ss", "xs", "(xs + xs)"),
        pick("sort", "sort(reverse=true)", "unique|list", "reverse|list", "list"),
      ),
      form("({}|list)", text),
      form("(messages|sort(attribute='{}'))", pick("role", "content", "role,content")),
    ),
    dict: oneOf(
      pick(
        "d",
        "messages[0]",
        "tools[0]",
        "tools[0].function",
        "tools[0].function.parameters",
        "{}",
        "{'a': 1, 'b': [none, true]}",
        "dict(a=1, b='x')",
      ),
      form("{'k': {}, 1: {}}", any, any),
    ),
    condition: oneOf(
      pick(
        "true",
        "False",
        "flag",
        "xs",
        "s",
        "empty",
        "none",
        "missing",
        "d",
        "loop is defined",
        "tools",
        "documents",
        "add_generation_prompt",
      ),
      form("not {}", condition),
      form("({} {} {})", condition, pick("and", "or"), condition),
      form("({} {} {})", any, pick("==", "!="), any),
      form("({} {} {})", number, pick("<", "<=", ">", ">=", "=="), number),
      form("({} {} {})", text, pick("<", "<=", ">", ">=", "=="), text),
      form("({} {} {})", text, pick("in", "not in"), text),
      form("({} {} {})", any, pick("in", "not in"), list),
      form("('{}' {} d)", pick("a", "items", "b c", "zz"), pick("in", "not in")),
      form(
        "({} is {}{})",
        any,
        pick("", "not "),
        pick(
          "string",
          "mapping",
          "iterable",
          "sequence",
          "number",
          "integer",
          "float",
          "boolean",
          "none",
          "defined",
          "undefined",
          "true",
          "false",
          "callable",
        ),
      ),
      form("({} is {})", number, pick("odd", "even", "divisibleby 2", "divisibleby(3)", "gt 1", "le(2)", "eq 3")),
      form("({} is {})", text, pick("lower", "upper", "in 'abc'", "in ss")),
      form("({}).{}({})", text, pick("startswith", "endswith"), pick("'a'", "''", "('a', 'b')", "'\\n'")),
      form("({}).{}()", text, pick("isupper", "islower", "isalpha", "isalnum", "isspace", "isdecimal")),
      form("(0 < {} <= 3)", number),
    ),
    any: oneOf(
      { arbitrary: text, weight: 4 } as never,
      number,
      list,
      dict,
      condition,
      pick(
        "none",
        "None",
        "True",
        "missing",
        "d.items",
        "d.a",
        "d['b c']",
        "d['items']",
        "d.missing",
        "xs[9]",
        "mixed[2]",
        "messages[-1].tool_calls",
        "d.get('a')",
        "d.get('zz', 0)",
        "d.keys()",
        "d.pop",
        "unicode",
        "big",
        "whole",
        "xs.index",
        "ns",
      ),
    ),
  }
}) as Record<"text" | "number" | "list" | "dict" | "condition" | "any", fc.Arbitrary<string>>

const open = pick("{%", "{%", "{%-", "{%-", "{%+")
const close = pick("%}", "%}", "-%}", "-%}", "+%}")
const data = pick(
  "",
  " ",
  "\n",
  "a",
  " b\n",
  "\n  ",
  "  \n\n",
  "<|im_start|>",
  "x \n y",
  "\t",
  "é",
  "\r\n",
  "}} ",
  "\n    z",
)
const tag = (inside: fc.Arbitrary<string>) => form("{} {} {}", open, inside, close)
const output = fc.oneof(
  form("{{ {} }}".replace("{} }}", "\0 }}"), fc.constant("")).chain(() => any.map((value) => `{{ ${value} }}`)),
  fc
    .tuple(pick("{{-", "{{"), fc.oneof(text, any), pick("-}}", "}}"))
    .map(([begin, value, end]) => `${begin} ${value} ${end}`),
)

const { body } = fc.letrec<Record<string, string>>((tie) => {
  const body = tie("body")
  const sequence = tie("sequence")
  const name = pick("x", "y", "s", "n", "ns")
  const loopParts = pick(
    "{{ loop.index }}",
    "{{ loop.index0 }}/{{ loop.length }}",
    "{{ loop.first }}{{ loop.last }}",
    "{{ loop.revindex }}{{ loop.revindex0 }}",
    "{{ loop.previtem }}<{{ loop.nextitem }}",
    "{{ loop.previtem is defined }}",
    "{{ loop.cycle('a', 'b') }}",
    "{{ loop.changed(x) }}",
    "{{ loop.depth }}",
    "",
  )
  const control = fc
    .tuple(condition, pick("break", "continue"))
    .map(([when, what]) => `{% if ${when} %}{% ${what} %}{% endif %}`)
  const statement = fc.oneof(
    { depthSize: "small" },
    output,
    output,
    form("{#{} {} {}#}", pick("", "-", "+"), pick("c", "{{ x }}", "a\nb"), pick("", "-", "+")),
    tag(form("set {} = {}", name, any)),
    tag(form("set {} = {}", pick("x, y", "(x, y)"), pick("1, 2", "('a', 'b')", "xs[:2]", "'ab'"))),
    fc
      .tuple(
        tag(pick("set x", "set y | upper", "set s | trim", "set x | replace('a', 'b') | title")),
        sequence,
        tag(pick("endset")),
      )
      .map((parts) => parts.join("")),
    tag(form("set ns = namespace(x={}, y=0)", any)),
    tag(form("set ns.{} = {}", pick("x", "y"), any)),
    fc
      .tuple(
        tag(form("if {}", condition)),
        sequence,
        tag(form("elif {}", condition)),
        sequence,
        tag(pick("else")),
        sequence,
        tag(pick("endif")),
      )
      .map((parts) => parts.join("")),
    fc.tuple(tag(form("if {}", condition)), sequence, tag(pick("endif"))).map((parts) => parts.join("")),
    fc
      .tuple(
        tag(
          form(
            "for x in {}{}",
            fc.oneof(list, pick("messages", "d", "s", "range(4)", "missing", "xs|select('odd')", "tools")),
            fc.oneof(
              pick("", ""),
              form(" if {}", pick("x", "x is odd", "x is string", "loop is undefined", "x != 'user'")),
            ),
          ),
        ),
        sequence,
        loopParts,
        fc.oneof(pick("", ""), control),
        sequence,
        fc.oneof(
          pick("", ""),
          fc.tuple(tag(pick("else")), sequence).map((parts) => parts.join("")),
        ),
        tag(pick("endfor")),
      )
      .map((parts) => parts.join("")),
    fc
      .tuple(
        tag(
          form(
            "for k, v in {}",
            pick(
              "d.items()",
              "d|dictsort",
              "d|items",
              "tools[0].function.parameters.properties.items()",
              "[(1, 2), ['a', 'b']]",
            ),
          ),
        ),
        pick("{{ k }}={{ v }};", "{{ k ~ v|tojson }}", "{{ loop.index }}{{ v }}"),
        sequence,
        tag(pick("endfor")),
      )
      .map((parts) => parts.join("")),
    fc
      .tuple(
        tag(pick("macro m(x, y=2)", "macro m(x='d', y=n)", "macro m(y, x=y)", "macro m()")),
        sequence,
        tag(pick("endmacro")),
        pick("{{ m() }}", "{{ m(1) }}", "{{ m(y=s) }}", "{{ m(1, 2) }}", "{{ m(s)|upper }}", "{{ m }}", ""),
      )
      .map((parts) => parts.join("")),
    fc.tuple(tag(pick("generation")), sequence, tag(pick("endgeneration"))).map((parts) => parts.join("")),
    fc.tuple(tag(form("with x = {}, y = {}", any, any)), sequence, tag(pick("endwith"))).map((parts) => parts.join("")),
    pick(
      "{% raw %} {{ x }} {% endraw %}",
      "{%- raw -%}\n{% x %}\n{%- endraw +%}\n",
      "{{ raise_exception('no') if s == '' }}",
    ),
  )
  return {
    sequence: fc.tuple(data, statement, data).map((parts) => parts.join("")),
    body: fc
      .array(
        fc.tuple(data, statement, data).map((parts) => parts.join("")),
        { minLength: 1, maxLength: 4 },
      )
      .map((parts) => parts.join("")),
    unused: body,
  }
}) as { readonly body: fc.Arbitrary<string> }

const content = pick(
  "Why?",
  "  indented\n",
  "",
  "<think>\nsteps\n</think>\n\nSo.",
  "a,b",
  "naïve 茶 😀",
  'it\'s "so"',
  "    return 1",
  "\n\nx\n",
)
const argument = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.boolean(),
  fc.constant(null),
  content,
  fc.constantFrom(0.5, 1e-7, 1.25e20, 12345.678),
  fc.constant([1, { b: null }]),
)
const message = fc.record(
  {
    role: pick("user", "assistant", "system", "tool"),
    content,
    tool_calls: fc.constant([{ function: { name: "f", arguments: { a: 1 } } }]),
  },
  { requiredKeys: ["role", "content"] },
)
const variables = fc.record({
  s: content,
  unicode: pick("é茶", "😀 ß", "ÀÉ", "x\u00a0y", "ǆ"),
  n: fc.integer({ min: -3, max: 12 }),
  big: fc.constantFrom(0, 9007199254740991, -5),
  whole: fc.constantFrom(0.5, 2.75, -0.125, 1e-7),
  flag: fc.boolean(),
  xs: fc.array(fc.integer({ min: -3, max: 9 }), { minLength: 1, maxLength: 4 }),
  ss: fc.array(pick("b", "A", "a c", "", "é"), { maxLength: 3 }),
  mixed: fc.array(argument, { maxLength: 4 }),
  d: fc.record({ a: argument, "b c": argument, items: argument }, { requiredKeys: ["a", "b c"] }),
  messages: fc.array(message, { minLength: 1, maxLength: 3 }),
  add_generation_prompt: fc.boolean(),
})

/** What every generated case has beside its own variables. */
export const COMMON_VARIABLES = {
  tools: [
    {
      type: "function",
      function: {
        name: "refund",
        description: "Pays back",
        parameters: {
          type: "object",
          properties: { order: { type: "integer" }, why: { type: "string", enum: ["a", "b"] } },
          required: ["order"],
        },
      },
    },
  ],
  documents: null,
  bos_token: "<s>",
  empty: "",
} as const

export const templateCase: fc.Arbitrary<TemplateCase> = fc.record({
  template: body.map((text) => `{% set ns = namespace(x=0, y='') %}${text}`),
  variables,
})
