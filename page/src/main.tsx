import "uplot/dist/uPlot.min.css";
import "./page.css";
import { render } from "preact";
import { App } from "./model/app.ts";
import { Page } from "./view/page.tsx";

const app = new App();
const place = document.getElementById("page");
if (place) {
  place.replaceChildren();
  render(<Page app={app} />, place);
  app.start();
}
