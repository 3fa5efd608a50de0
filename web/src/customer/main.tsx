import "../styles/base.css";
import "../styles/customer.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { language } from "../i18n/text";
import { CustomerPage } from "./page";

effect(() => {
  document.documentElement.lang = language.value;
});
render(<CustomerPage />, document.getElementById("page") ?? document.body);
