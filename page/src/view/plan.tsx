// What the daemon would do now.

import type { App } from "../model/app.ts";
import { count } from "../model/format.ts";
import { Badge, Section } from "./parts.tsx";

const TITLE = "What the daemon would do now";
const SHOWN = 50;

export function Plan({ app }: { app: App }) {
  const plan = app.plan.value;
  if (!plan && !app.plan.problem) return null;
  if (!plan) {
    return (
      <Section id="plan" title={TITLE}>
        <p class="quiet">{app.plan.problem}</p>
      </Section>
    );
  }
  const isIdle = plan.steps.length === 0 && plan.conflicts.length === 0;
  return (
    <Section id="plan" title={TITLE}>
      {isIdle && <p class="quiet">Nothing: what is there is what should be there (plan {plan.generation}).</p>}
      <ol class="steps">
        {plan.steps.slice(0, SHOWN).map((step, index) => (
          <li key={index}>
            <code>{step.text}</code>
          </li>
        ))}
      </ol>
      {plan.steps.length > SHOWN && <p class="quiet">{count(plan.steps.length - SHOWN, "more step", "more steps")}</p>}
      {plan.conflicts.map((conflict, index) => (
        <p key={index}>
          <Badge state="wrong">in the way</Badge> {conflict.link}: {conflict.reason}
        </p>
      ))}
    </Section>
  );
}
