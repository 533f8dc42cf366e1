// Long work in steps, between which the browser draws and hears what is pressed: the state of ten thousand tunnels is some megabytes.

/** So long may one go on; a frame of a screen is twice that. */
const AT_ONCE_MS = 8;
/** So much text is read between two looks at the clock. */
const LOOKED_AT = 16 * 1024;
/** The members of a snapshot's tunnels are this deep, and what is deeper is small. */
const DEPTH = 3;
/** Letters; what closes a brace or a bracket is two further. */
const [QUOTE, BRACE, BRACKET] = [0x22, 0x7b, 0x5b] as const;

/** Goes through all steps, and gives what the last one gives. */
export async function inSteps<T>(steps: Iterator<unknown, T>): Promise<T> {
  for (let end = performance.now() + AT_ONCE_MS; ; ) {
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() < end) continue;
    await others();
    end = performance.now() + AT_ONCE_MS;
  }
}

/** Lets whatever waits have its turn. Unlike a timer's, its own comes at once, also where the page cannot be seen. */
export function others(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** What JSON says, read in steps: the same as `JSON.parse` gives, but for members that are called `__proto__`, which are left out. */
export function* readJson(text: string): Generator<undefined, unknown, void> {
  const reader = new Reader(text);
  const value = yield* reader.value(DEPTH);
  reader.end();
  return value;
}

class Reader {
  private at = 0;
  private looked = 0;

  constructor(private readonly text: string) {}

  *value(depth: number): Generator<undefined, unknown, void> {
    this.skipBlanks();
    if (depth === 0 || this.text[this.at] !== "{") return this.leaf();
    this.at += 1;
    this.skipBlanks();
    const object: Record<string, unknown> = {};
    for (let isFirst = true; isFirst || this.text[this.at] !== "}"; isFirst = false) {
      if (isFirst && this.text[this.at] === "}") break;
      if (!isFirst) this.expect(",");
      this.skipBlanks();
      const name = this.name();
      this.expect(":");
      const member = yield* this.value(depth - 1);
      if (name !== "__proto__") object[name] = member;
      this.skipBlanks();
      if (this.at - this.looked < LOOKED_AT) continue;
      this.looked = this.at;
      yield;
    }
    this.at += 1;
    return object;
  }

  /** Nothing follows. */
  end(): void {
    this.skipBlanks();
    if (this.at < this.text.length) throw this.wrong();
  }

  private name(): string {
    if (this.text[this.at] !== '"') throw this.wrong();
    const name = this.leaf() as string;
    this.skipBlanks();
    return name;
  }

  private leaf(): unknown {
    const from = this.at;
    let depth = 0;
    do {
      const letter = this.text.charCodeAt(this.at);
      if (letter === QUOTE) this.skipText();
      else if (depth === 0 && letter !== BRACE && letter !== BRACKET) this.skipPlain();
      else {
        if (letter === BRACE || letter === BRACKET) depth += 1;
        else if (letter === BRACE + 2 || letter === BRACKET + 2) depth -= 1;
        this.at += 1;
      }
      if (this.at > this.text.length) throw this.wrong();
    } while (depth > 0);
    return JSON.parse(this.text.slice(from, this.at));
  }

  private skipText(): void {
    for (let end = this.text.indexOf('"', this.at + 1); ; end = this.text.indexOf('"', end + 1)) {
      if (end < 0) throw this.wrong();
      let backslashes = 0;
      while (this.text[end - 1 - backslashes] === "\\") backslashes += 1;
      if (backslashes % 2) continue;
      this.at = end + 1;
      return;
    }
  }

  private skipPlain(): void {
    const from = this.at;
    while (this.at < this.text.length && !",:{}[] \t\n\r".includes(this.text[this.at]!)) this.at += 1;
    if (this.at === from) throw this.wrong();
  }

  private skipBlanks(): void {
    while (this.at < this.text.length && " \t\n\r".includes(this.text[this.at]!)) this.at += 1;
  }

  private expect(letter: string): void {
    this.skipBlanks();
    if (this.text[this.at] !== letter) throw this.wrong();
    this.at += 1;
  }

  private wrong(): SyntaxError {
    return new SyntaxError(`unexpected at ${this.at}`);
  }
}
