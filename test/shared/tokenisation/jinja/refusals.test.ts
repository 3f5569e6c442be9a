// What cannot be rendered exactly is refused: by its name when the model is loaded where the template shows it, else when a row
// needs it. Nothing is rendered otherwise than jinja2 would.
import { describe, expect, test } from "vitest"
import { ChatTemplate, ChatTemplateRefused } from "#shared/tokenisation/chat-template.ts"

const load = (template: string) => new ChatTemplate(template, { bos_token: "<s>" })
const render = (template: string, content = "q") =>
  load(template).render([{ role: "user", content }], { addGenerationHeader: false })

describe("when the model is loaded", () => {
  test.each([
    ["{% include 'a' %}", "the tag include"],
    ["{% import 'a' as b %}", "the tag import"],
    ["{% from 'a' import b %}", "the tag from"],
    ["{% extends 'a' %}", "the tag extends"],
    ["{% block a %}{% endblock %}", "the tag block"],
    ["{% filter upper %}{% endfilter %}", "the tag filter"],
    ["{% call f() %}{% endcall %}", "the tag call"],
    ["{% autoescape true %}{% endautoescape %}", "the tag autoescape"],
    ["{% print 1 %}", "the tag print"],
    ["{% do 1 %}", "the tag do"],
    ["{% trans %}{% endtrans %}", "the tag trans"],
    ["{% for x in y recursive %}{% endfor %}", "a recursive for"],
    ["{{ 'a'|escape }}", "the filter escape"],
    ["{{ 'a'|e }}", "the filter e"],
    ["{{ 'a'|forceescape }}", "the filter forceescape"],
    ["{{ x|random }}", "the filter random"],
    ["{{ x|pprint }}", "the filter pprint"],
    ["{{ x|groupby('a') }}", "the filter groupby"],
    ["{{ x|batch(2) }}", "the filter batch"],
    ["{{ x|slice(2) }}", "the filter slice"],
    ["{{ x|attr('a') }}", "the filter attr"],
    ["{{ x|center }}", "the filter center"],
    ["{{ x|wordwrap }}", "the filter wordwrap"],
    ["{{ x|wordcount }}", "the filter wordcount"],
    ["{{ x|urlize }}", "the filter urlize"],
    ["{{ x|urlencode }}", "the filter urlencode"],
    ["{{ x|striptags }}", "the filter striptags"],
    ["{{ x|xmlattr }}", "the filter xmlattr"],
    ["{{ x|filesizeformat }}", "the filter filesizeformat"],
    ["{{ x|nonesuch }}", "the filter nonesuch"],
    ["{% if false %}{{ x|nonesuch }}{% endif %}", "the filter nonesuch"],
    ["{{ x|map('nonesuch') }}", "the filter map with nonesuch"],
    ["{{ x|map(y) }}", "the filter map with of a computed name"],
    ["{{ x|selectattr('a', 'nonesuch') }}", "the filter selectattr with nonesuch"],
    ["{{ x is nonesuch }}", "the test nonesuch"],
    ["{{ x is sameas y }}", "the test sameas"],
    ["{{ x is filter }}", "the test filter"],
    ["{{ x.encode('utf-8') }}", "the method encode"],
    ["{{ x.translate(y) }}", "the method translate"],
    ["{{ x.pop() }}", "the method pop"],
    ["{{ f(*x) }}", '"*" before an argument'],
    ["{{ f(**x) }}", '"**" before an argument'],
    ["{{ x[1, 2] }}", "a subscript of several parts"],
    ["{{ '\\N{DASH}' }}", "the escape \\N of a string literal"],
    ["{{ '\\é' }}", 'a backslash before "é"'],
    ["{{ 1e999 }}", "the infinite number 1e999"],
    [`${"{% for x in y %}".repeat(20)}z${"{% endfor %}".repeat(20)}`, "nesting of over 19 loops"],
    [`${"{% if x %}".repeat(41)}z${"{% endif %}".repeat(41)}`, "nesting of over 40 blocks"],
    ["{{ lipsum() }}", "lipsum"],
    ["{{ cycler('a') }}", "cycler"],
    ["{{ joiner() }}", "joiner"],
    ["{{ self.title() }}", "self"],
    ["{% macro f() %}{{ varargs }}{% endmacro %}", "varargs of a macro"],
    ["{% macro f() %}{{ kwargs }}{% endmacro %}", "kwargs of a macro"],
    ["{% macro f() %}{{ caller() }}{% endmacro %}", "caller of a macro"],
  ])("%s", (template, construct) => {
    expect(() => load(template)).toThrow(ChatTemplateRefused)
    expect(() => load(template)).toThrow(`${construct} is not supported; write it otherwise in chat_template`)
  })

  test.each([
    ["{% for %}", 'expected an expression, got "%}"'],
    ["{% if x %}", "the template ends where elif or else or endif should stand"],
    ["{{ x", "unexpected end of template"],
    ["{{ (x] }}", 'unexpected "]"'],
    ["{# x", "missing end of comment tag"],
    ["{% raw %}x", "missing end of raw directive"],
    ["{% set 1 = x %}", "a constant cannot be assigned to"],
    ["{% for loop in x %}{% endfor %}", "loop cannot be assigned to"],
    ["{% break %}", "break outside of a loop"],
    ["{% for x in y %}{% generation %}{% continue %}{% endgeneration %}{% endfor %}", "continue outside of a loop"],
    ["{{ f(a=1, a=2) }}", "the argument a is there twice"],
    ["{{ 'a' 'b }}", "unexpected character"],
    ["{{ '\\x4' }}", "truncated \\x escape"],
  ])("%s is no template", (template, problem) => {
    expect(() => load(template)).toThrow(`the chat template cannot be parsed: `)
    expect(() => load(template)).toThrow(problem)
  })
})

describe("when a row needs it", () => {
  test.each([
    ["{{ messages[0].items }}", "printing a function or a generator, whose text holds an address,"],
    ["{{ messages|map(attribute='role') }}", "printing a function or a generator, whose text holds an address,"],
    ["{% for m in messages %}{{ loop }}{% endfor %}", "printing loop"],
    ["{{ ('a'|safe) * 2 }}", '"*" on text marked safe'],
    ["{{ ('a'|safe)|upper }}", "a filter of text marked safe"],
    ["{{ ('a'|safe).upper() }}", "Markup.upper"],
    ["{{ 2 ** -1 }}", '"**" with a negative exponent'],
    ["{{ 2.0 ** 2 }}", '"**" of floats'],
    ["{{ 9007199254740993 / 2 }}", '"/" of integers beyond 2^53'],
    ["{{ [0.1, 0.2]|sum }}", "the sum of floats"],
    ["{{ '%e' % 1.5 }}", "%e"],
    ["{{ '{:e}'.format(1.5) }}", 'the format "e" of this value'],
    ["{{ '{0.a}'.format(1) }}", "a member in a format field"],
    ["{{ 'ﬁ'.capitalize() }}", 'the title case of "ﬁ"'],
    ["{{ messages[0]['__class__'] }}", "the attribute __class__"],
    ["{{ range(3)[1:] }}", "a slice of a range"],
    ["{{ '7'|int(0, 8) }}", "the filter int with a base"],
    ["{{ {(1,): 2} }}", "a tuple as a key"],
    ["{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "a recursion of over 150 macros"],
  ])("%s", (template, construct) => {
    expect(() => render(template)).toThrow(ChatTemplateRefused)
    expect(() => render(template)).toThrow(`${construct} is not supported`)
  })

  test.each([
    ["{{ missing.name }}", "'missing' is undefined"],
    ["{{ 'a' + 1 }}", "unsupported operand type(s) for +: 'str' and 'int'"],
    ["{{ 'a' < 1 }}", "'<' not supported between instances of 'str' and 'int'"],
    ["{{ 1 in 'a' }}", "'in <string>' requires string as left operand, not int"],
    ["{{ none|length }}", "object of type 'NoneType' has no len()"],
    ["{{ missing|tojson }}", "Object of type Undefined is not JSON serializable"],
    ["{{ 1 // 0 }}", "integer division or modulo by zero"],
    ["{{ [1].append(2) }}", "access to attribute 'append' of 'list' object is unsafe."],
    ["{{ range(100001) }}", "Range too big"],
    ["{{ raise_exception('Roles must alternate') }}", "Roles must alternate"],
    ["{{ strftime_now('%Y') }}", "'strftime_now' is undefined"],
    ["{% set x.a = 1 %}", "cannot assign attribute on non-namespace object"],
    ["{% set a, b = [1] %}", "1 values of a list to unpack, expected 2"],
  ])("%s raises as in Python", (template, problem) => {
    expect(() => render(template)).toThrow(ChatTemplateRefused)
    expect(() => render(template)).toThrow(problem)
  })

  test("a template that asks whether there is a clock takes its own date", () => {
    expect(render("{{ strftime_now('%Y') if strftime_now is defined else '2024' }}")).toBe("2024")
  })
})

test("an option comes before a special token of its name, as in transformers", () => {
  const rendered = load("{{ bos_token }}").render([], { addGenerationHeader: false, options: { bos_token: "<b>" } })
  expect(rendered).toBe("<b>")
})
