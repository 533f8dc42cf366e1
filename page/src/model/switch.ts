// The enable switch, set by a person who confirmed it.

import { described } from "./reading.ts";

/** Sets it; the answer is why it could not be, or nothing. */
export async function set(enabled: boolean): Promise<string | null> {
  const verb = enabled ? "enable" : "disable";
  try {
    const answer = await fetch(`/${verb}`, { method: "POST", headers: { "x-warren-confirmed": verb } });
    return answer.ok ? null : (described(await answer.text()) ?? `the daemon answered ${answer.status}`);
  } catch {
    return "the daemon does not answer";
  }
}
