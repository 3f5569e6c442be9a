// Random white space around every kind of tag, with every sign at both ends of it.
import fc from "fast-check"
import type { TemplateCase } from "./grammar.ts"

const space = fc.constantFrom(
  "",
  " ",
  "\n",
  "\n\n",
  "\t",
  "\r\n",
  "\r",
  "\x0b",
  "\x1c",
  "\x85",
  "\u2028",
  "\u3000",
  "\ufeff",
  "a",
  "é",
  "{",
  "}",
  "%",
  "#",
  "-",
  "{ {",
  "% }",
  "-}",
  "'",
  '"',
  "\\",
  "\n  ",
  "  \n",
  " a ",
  "\n a",
)
const sign = fc.constantFrom("", "-", "+")
const tag = (inside: string) =>
  fc
    .tuple(sign, sign, fc.constantFrom("", " ", "\n", "\t "))
    .map(([a, b, s]) => `{%${a}${s}${inside}${s || (b === "+" ? " " : "")}${b}%}`)
const { piece } = fc.letrec<{ piece: string; pieces: string }>((tie) => ({
  piece: fc.oneof(
    { depthSize: "small" },
    space,
    space,
    fc
      .tuple(
        fc.constantFrom("", "-"),
        fc.constantFrom("1", "'}}'", "'%}'", "{'a': 1}['a']", "{}", "'{#'", "\n1\n"),
        fc.constantFrom("", "-"),
      )
      .map(([a, e, b]) => `{{${a} ${e} ${b}}}`),
    fc.tuple(sign, fc.constantFrom("c", " {{ ", "\n", "{% x", "'", ""), sign).map(([a, e, b]) => `{#${a}${e}${b}#}`),
    fc.tuple(tag("if 1"), tie("pieces"), tag("endif")).map((x) => x.join("")),
    fc.tuple(tag("for x in [1, 2]"), tie("pieces"), tag("endfor")).map((x) => x.join("")),
    fc.tuple(tag("set y"), tie("pieces"), tag("endset")).map((x) => `${x.join("")}[{{ y }}]`),
    fc
      .tuple(
        tag("raw"),
        fc
          .array(fc.oneof(space, fc.constantFrom("{{ x }}", "{% if %}", "{# ", "{% raw %}")), { maxLength: 4 })
          .map((x) => x.join("")),
        tag("endraw"),
      )
      .map((x) => x.join("")),
    fc.constantFrom("{% if 1 : %}z{% endif %}", "{%raw%}r{%endraw%}", "{%if 1%}i{%endif%}"),
  ),
  pieces: fc.array(tie("piece"), { maxLength: 4 }).map((x) => x.join("")),
}))

export const whiteSpaceCase: fc.Arbitrary<TemplateCase> = fc
  .array(piece, { minLength: 2, maxLength: 8 })
  .map((pieces) => ({ template: pieces.join(""), variables: {} }))
