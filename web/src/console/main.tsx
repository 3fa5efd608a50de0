import "./fragment";
import "../styles/base.css";
import "../styles/console.css";
import "../styles/office.css";
import "../styles/support.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { language } from "../i18n/text";
import { App } from "./app";

effect(() => {
  document.documentElement.lang = language.value;
});
render(<App />, document.getElementById("page") ?? document.body);
