import "../styles/base.css";
import "../styles/customer.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { language } from "../i18n/text";
import { CustomerPage } from "./page";

effect(() => {
  document.documentElement.lang = language.value;
});
// Where the browser is too old, another script has drawn the page (`oldBrowser.js`).
if (!document.documentElement.hasAttribute("data-old")) {
  render(<CustomerPage />, document.getElementById("page") ?? document.body);
}
