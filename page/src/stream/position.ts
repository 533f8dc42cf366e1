/** NODE.EPOCH.SEQUENCE. A node's number does not fit into a double, so it stays text. */
export interface Position {
  node: string;
  epoch: number;
  sequence: number;
}

export function position(text: unknown): Position | null {
  if (typeof text !== "string") return null;
  const [node, epoch, sequence, more] = text.split(".");
  if (!node || more !== undefined || !isNumber(epoch) || !isNumber(sequence)) return null;
  return { node, epoch: Number(epoch), sequence: Number(sequence) };
}

export function text(at: Position): string {
  return `${at.node}.${at.epoch}.${at.sequence}`;
}

export function isOfOneStart(one: Position, other: Position): boolean {
  return one.node === other.node && one.epoch === other.epoch;
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text);
}
