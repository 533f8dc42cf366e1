// What is wrong, before anything else, with what can be done about it.

import type { App } from "../model/app.ts";
import { Badge, Section, Words } from "./parts.tsx";

export function Troubles({ app }: { app: App }) {
  const picture = app.picture.value;
  if (!picture) return null;
  if (picture.problems.length === 0) return null;
  return (
    <Section id="wrong" title="What is wrong">
      <ul class="problems">
        {picture.problems.map((problem, index) => (
          <li key={index}>
            <Badge state="wrong" />{" "}
            <span>
              <Words text={problem.text} />
              {problem.fix && (
                <span class="fix">
                  What to do: <Words text={problem.fix} />
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
