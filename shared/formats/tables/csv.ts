// CSV as RFC 4180 has it: commas, rows ended by LF or CRLF, cells in double quotes where they hold commas, quotes (doubled) or
// line ends. Text comes in pieces of any size; a row is given as soon as it is whole. Anything else is an error, never a guess; it may
// be the row's alone, whose rest is then passed over up to the next line end.

/** A row of cells; `line` is where it starts, counted from 1. */
export interface CsvRow {
  readonly line: number
  readonly cells: readonly string[]
  /** Why this row is none; it then has no cells. */
  readonly fault?: string
}

/** The text is no CSV; `line` counts from 1. */
export class InvalidCsv extends Error {
  readonly _tag = "InvalidCsv"
  readonly line: number
  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

type State = "plain" | "quoted" | "quote in quoted" | "passing over"

/** Splits pieces of CSV text into rows. A line that is wholly empty is no row. */
export class CsvSplitter {
  #state: State = "plain"
  #cell = ""
  #cells: string[] = []
  #line = 1
  #rowLine = 1
  #fault = ""
  readonly #passesOverFaults: boolean

  /** `passesOverFaults`: a row with a quote in the wrong place is given with its fault, and the rows after it are read. */
  constructor({ passesOverFaults = false }: { readonly passesOverFaults?: boolean } = {}) {
    this.#passesOverFaults = passesOverFaults
  }

  /** The rows that this piece completes. Throws InvalidCsv. */
  push(text: string): CsvRow[] {
    const rows: CsvRow[] = []
    // A run of ordinary characters is appended at once.
    let from = 0
    for (let at = 0; at < text.length; at++) {
      const character = text[at]!
      if (this.#isOrdinary(character)) continue
      this.#cell += text.slice(from, at)
      from = at + 1
      const row = this.#read(character)
      if (row !== undefined) rows.push(row)
    }
    this.#cell += text.slice(from)
    return rows
  }

  /** The last row, where the text did not end with a line end. Throws InvalidCsv. */
  end(): CsvRow | undefined {
    if (this.#state === "quoted") {
      throw new InvalidCsv(
        this.#rowLine,
        "a quoted cell that starts in this row never ends; close it with a double quote",
      )
    }
    if (this.#state === "passing over") return this.#endFaultyRow()
    return this.#state === "plain" ? this.#endLine() : this.#endRow()
  }

  /** Throws InvalidCsv, or leaves this row out. */
  #refuse(fault: string): void {
    if (!this.#passesOverFaults) throw new InvalidCsv(this.#rowLine, fault)
    this.#fault = fault
    this.#state = "passing over"
  }

  #endFaultyRow(): CsvRow {
    const row = { line: this.#rowLine, cells: [], fault: this.#fault }
    this.#cells = []
    this.#cell = ""
    this.#state = "plain"
    this.#rowLine = this.#line
    return row
  }

  #isOrdinary(character: string): boolean {
    if (character === '"' || character === "\n") return false
    if (this.#state === "quoted") return true
    if (this.#state === "quote in quoted") return false
    if (this.#state === "passing over") return true
    return character !== ","
  }

  #read(character: string): CsvRow | undefined {
    if (character === "\n") this.#line++
    if (this.#state === "passing over") return character === "\n" ? this.#endFaultyRow() : undefined
    if (this.#state === "quoted") {
      if (character === '"') this.#state = "quote in quoted"
      else this.#cell += character
      return undefined
    }
    if (this.#state === "quote in quoted") return this.#afterQuote(character)
    if (character === ",") this.#endCell()
    else if (character === "\n") return this.#endLine()
    else if (this.#cell === "") this.#state = "quoted"
    else this.#refuse("a double quote stands inside a cell without quotes; put the cell in quotes")
    return undefined
  }

  #afterQuote(character: string): CsvRow | undefined {
    if (character === '"') {
      this.#cell += '"'
      this.#state = "quoted"
    } else if (character === ",") this.#endCell()
    else if (character === "\n") return this.#endRow()
    else if (character !== "\r") {
      this.#refuse("text follows the closing quote of a cell; double the quotes inside it")
    }
    return undefined
  }

  #endLine(): CsvRow | undefined {
    if (this.#cell.endsWith("\r")) this.#cell = this.#cell.slice(0, -1)
    if (this.#cells.length > 0 || this.#cell !== "") return this.#endRow()
    this.#rowLine = this.#line
    return undefined
  }

  #endCell(): void {
    this.#cells.push(this.#cell)
    this.#cell = ""
    this.#state = "plain"
  }

  #endRow(): CsvRow {
    this.#endCell()
    const row = { line: this.#rowLine, cells: this.#cells }
    this.#cells = []
    this.#rowLine = this.#line
    return row
  }
}
