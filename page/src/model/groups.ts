// The multicast groups of all tunnels, as the daemon judges them.

import type { Group, Path } from "../types.ts";

export interface Row extends Group {
  tunnel: string;
}

export function groups(paths: Path[]): Row[] {
  return paths.flatMap((path) => (path.groups ?? []).map((group) => ({ ...group, tunnel: path.link ?? path.tunnel })));
}
