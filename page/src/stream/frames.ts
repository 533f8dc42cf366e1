// Server-sent events, taken apart (WHATWG HTML, section 9.2.6).

export interface Frame {
  name: string;
  id: string | null;
  data: string;
}

/** Takes text as it comes and gives each frame that is complete with it. */
export class Frames {
  private begun: string[] = [];
  private name = "";
  private id: string | null = null;
  private data: string[] = [];

  take(text: string): Frame[] {
    const frames: Frame[] = [];
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      const line = this.begun.join("") + text.slice(from, end);
      this.begun = [];
      from = end + 1;
      const frame = this.line(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (frame) frames.push(frame);
    }
    if (from < text.length) this.begun.push(text.slice(from));
    return frames;
  }

  private line(line: string): Frame | null {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (field === "event") this.name = value;
    else if (field === "id") this.id = value;
    else if (field === "data") this.data.push(value);
    return null;
  }

  private dispatch(): Frame | null {
    const frame = this.data.length ? { name: this.name || "message", id: this.id, data: this.data.join("\n") } : null;
    this.name = "";
    this.id = null;
    this.data = [];
    return frame;
  }
}
