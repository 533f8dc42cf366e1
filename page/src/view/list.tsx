// A section that is a short table: the first of many, and how many more there are.

import type { ComponentChildren } from "preact";
import { count } from "../model/format.ts";
import { Section } from "./parts.tsx";

export interface ListRow {
  key: string;
  /** The whole name, where the first cell shows a part of it. */
  title?: string;
  cells: ComponentChildren[];
}

interface Props {
  id: string;
  title: string;
  columns: string[];
  rows: ListRow[];
  most?: number;
}

/** Nothing, where there is nothing in it. */
export function List({ id, title, columns, rows, most = 50 }: Props) {
  if (rows.length === 0) return null;
  return (
    <Section id={id} title={title}>
      <table>
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, most).map(({ key, title, cells: [name, ...cells] }) => (
            <tr key={key}>
              <th scope="row" title={title}>
                {name}
              </th>
              {cells.map((cell, column) => (
                <td key={column}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > most && <p class="quiet">{count(rows.length - most, "more", "more")}</p>}
    </Section>
  );
}
