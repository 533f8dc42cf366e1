// Light, dark, or as the system has it.

import { useEffect, useState } from "preact/hooks";

const THEMES = ["auto", "light", "dark"] as const;
const KEPT = "warren-theme";

export function Theme() {
  const [theme, choose] = useState(kept);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEPT, theme);
    } catch {
      // It is not kept, then.
    }
  }, [theme]);
  return (
    <label class="theme">
      Theme{" "}
      <select value={theme} onChange={(event) => choose(event.currentTarget.value)}>
        {THEMES.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
}

function kept(): string {
  try {
    const theme = localStorage.getItem(KEPT) ?? "";
    return (THEMES as readonly string[]).includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}
