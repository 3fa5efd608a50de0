/*
 * The customer's page for a browser that cannot run the real one: ECMAScript 5 only, a classic script before the module.
 * It looks for what the page needs; where that is missing, it offers the program as it is, and the link to paste into the
 * program's window. Like the page, it sends the link's fragment nowhere.
 */
(function () {
  "use strict";

  var TEXTS = {
    en: {
      title: "Remote support",
      old: "This browser is too old for this page, but there is a way.",
      who: "{technician} of {company} would like to help you with this computer.",
      warning:
        "Never go on because a stranger called you. No bank, no authority and no \u201cMicrosoft\u201d calls you to look into your computer.",
      phone: "Phone: {phone}",
      get: "1. Download the program and start it:",
      size: "{size} MB; signed by {signer}; SHA-256:",
      nobody: "nobody",
      run: "On Linux, allow it to run first: right click on the file, \u201cProperties\u201d, \u201cExecutable as program\u201d.",
      windows: "For Windows 10 or newer",
      linux: "For Linux",
      python: "For Linux with Python",
      paste: "2. It asks for the link. Copy all of this, and paste it into its window:",
      code: "3. Type the security code that the technician tells you on the phone.",
      none: "The program is not available at the moment. Please tell your technician.",
      dead: "This link does not work any more, or the support service cannot be reached. Please tell your technician.",
      incomplete: "The link is not complete. Please go back to the message and copy the whole link.",
      label: "Link"
    },
    es: {
      title: "Soporte remoto",
      old: "Este navegador es demasiado antiguo para esta p\u00e1gina, pero hay una manera.",
      who: "{technician}, de {company}, quiere ayudarle con este equipo.",
      warning:
        "No siga nunca porque le haya llamado un desconocido. Ning\u00fan banco, ninguna autoridad y ning\u00fan \u00abMicrosoft\u00bb llama para ver su equipo.",
      phone: "Tel\u00e9fono: {phone}",
      get: "1. Descargue el programa e in\u00edcielo:",
      size: "{size} MB; firmado por {signer}; SHA-256:",
      nobody: "nadie",
      run: "En Linux, permita antes que se ejecute: bot\u00f3n derecho sobre el archivo, \u00abPropiedades\u00bb, \u00abEjecutable como programa\u00bb.",
      windows: "Para Windows 10 o posterior",
      linux: "Para Linux",
      python: "Para Linux con Python",
      paste: "2. Le pide el enlace. Copie todo esto y p\u00e9guelo en su ventana:",
      code: "3. Escriba el c\u00f3digo de seguridad que el t\u00e9cnico le diga por tel\u00e9fono.",
      none: "El programa no est\u00e1 disponible en este momento. D\u00edgaselo a su t\u00e9cnico, por favor.",
      dead: "Este enlace ya no sirve, o no se puede contactar con el servicio de soporte. D\u00edgaselo a su t\u00e9cnico, por favor.",
      incomplete: "El enlace no est\u00e1 completo. Vuelva al mensaje y copie todo el enlace, por favor.",
      label: "Enlace"
    }
  };

  /* Looks behind ES2022's syntax by what came with it or later: a script cannot try syntax under our policy. */
  function isOld() {
    try {
      return !(
        "noModule" in document.createElement("script") &&
        typeof Promise === "function" &&
        typeof fetch === "function" &&
        typeof ReadableStream === "function" &&
        typeof AbortSignal === "function" &&
        typeof AbortSignal.timeout === "function" &&
        typeof URL.canParse === "function" &&
        typeof Object.hasOwn === "function" &&
        typeof Array.prototype.at === "function" &&
        typeof String.prototype.replaceAll === "function" &&
        /* Part of the grammar of links. */
        new RegExp("a(?<!b)").test("a") &&
        window.crypto &&
        window.crypto.subtle
      );
    } catch (error) {
      return true;
    }
  }

  if (!isOld()) return;
  document.documentElement.setAttribute("data-old", "");

  var wanted = String(navigator.language || navigator.userLanguage || "en").toLowerCase();
  var language = wanted.indexOf("es") === 0 ? "es" : "en";
  var invite = (/^\/d\/([A-Za-z0-9_-]{22})$/.exec(location.pathname) || [])[1];

  function fill(text, values) {
    return text.replace(/\{(\w+)\}/g, function (whole, name) {
      return typeof values[name] === "string" ? values[name].slice(0, 100) : whole;
    });
  }

  function add(parent, name, text) {
    var element = document.createElement(name);
    if (text) element.appendChild(document.createTextNode(text));
    parent.appendChild(element);
    return element;
  }

  function show(facts) {
    var texts = TEXTS[language];
    var page = document.getElementById("page");
    document.documentElement.lang = language;
    document.title = texts.title;
    var card = add(add(page, "main"), "div");
    page.className = "customer";
    card.className = "card stack old-browser";
    add(card, "h1", texts.title);
    if (!invite || location.hash.length < 24) {
      add(card, "p", texts.incomplete);
      return;
    }
    if (!facts || facts.state !== "open") {
      add(card, "p", texts.dead);
      return;
    }
    add(card, "p", fill(texts.who, facts));
    if (facts.phone) add(card, "p", fill(texts.phone, facts));
    add(card, "p", texts.warning);
    var hosts = facts.hosts || [];
    if (hosts.length === 0) {
      add(card, "p", texts.none);
      return;
    }
    add(card, "p", texts.old);
    add(card, "p", texts.get);
    var list = add(card, "ul");
    var isForLinux = false;
    for (var place = 0; place < hosts.length; place += 1) {
      var host = hosts[place];
      var name = texts[host.target];
      if (!name || !/^adhoc-host[a-z.-]*$/.test(host.file)) continue;
      var item = add(list, "li");
      var anchor = add(item, "a", name);
      anchor.href = "/d/" + invite + "/" + host.file;
      anchor.className = "button plain";
      var about = { size: String(Math.round(host.size / 1e6)), signer: host.signer || texts.nobody };
      add(item, "div", fill(texts.size, about)).className = "hint";
      add(item, "code", String(host.sha256).slice(0, 64));
      isForLinux = isForLinux || host.target !== "windows";
    }
    if (isForLinux) add(card, "p", texts.run).className = "hint";
    add(card, "p", texts.paste);
    var field = add(card, "input");
    field.readOnly = true;
    field.value = location.href;
    field.setAttribute("aria-label", texts.label);
    field.onclick = function () {
      field.select();
    };
    add(card, "p", texts.code);
  }

  function begin() {
    if (!invite) {
      show(null);
      return;
    }
    var request = new XMLHttpRequest();
    request.open("GET", "/api/v1/links/" + invite);
    request.onreadystatechange = function () {
      if (request.readyState !== 4) return;
      var facts = null;
      try {
        if (request.status === 200) facts = JSON.parse(request.responseText);
      } catch (error) {
        facts = null;
      }
      show(facts);
    };
    request.send();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
