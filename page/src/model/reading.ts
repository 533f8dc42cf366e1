// Something that is read again and again, one request at a time.

export class Reading<T> {
  value: T | null = null;
  /** Why there is nothing, or nothing newer. */
  problem: string | null = null;
  /** The daemon does not know what is asked. */
  isUnknown = false;
  onChange: () => void = () => {};
  private due = 0;
  private isUnderWay = false;
  private isAskedAgain = false;

  /** With an interval of 0 it is read when it is asked for only. */
  constructor(
    private target: string,
    private readonly everyMs: number,
  ) {}

  /** Of something else from now on; of nothing where it is empty. */
  of(target: string): void {
    if (target === this.target) return;
    this.target = target;
    this.value = null;
    this.again();
  }

  tick(): void {
    if (this.everyMs > 0 && Date.now() >= this.due) this.again();
  }

  again(): void {
    if (this.isUnderWay) {
      this.isAskedAgain = true;
      return;
    }
    if (this.target && document.visibilityState === "visible") void this.read();
  }

  private async read(): Promise<void> {
    const target = this.target;
    this.isUnderWay = true;
    try {
      const answer = await fetch(target, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
      if (target === this.target) await this.took(answer);
    } catch {
      this.problem = "the daemon does not answer";
    }
    this.isUnderWay = false;
    // What is unknown to this daemon may be known to the next one.
    this.due = Date.now() + this.everyMs * (this.isUnknown ? 12 : 1);
    this.onChange();
    if (this.isAskedAgain) {
      this.isAskedAgain = false;
      this.again();
    }
  }

  private async took(answer: Response): Promise<void> {
    this.isUnknown = answer.status === 404;
    if (answer.ok) {
      this.value = (await answer.json()) as T;
      this.problem = null;
      return;
    }
    const text = await answer.text();
    if (this.isUnknown) this.value = null;
    this.problem = described(text) ?? `the daemon answered ${answer.status}`;
  }
}

export function described(text: string): string | null {
  try {
    const said = JSON.parse(text) as { description?: unknown };
    return typeof said.description === "string" ? said.description : null;
  } catch {
    return text.trim().split("\n")[0] || null;
  }
}
