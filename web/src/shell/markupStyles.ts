/**
 * xterm.js under our Content-Security-Policy: it writes styles as `<style>` elements and `style` attributes, which
 * `style-src 'self'` refuses, while the same through the CSS object model is allowed (CSP3 §6.3, CSSOM §6.7). So, while a
 * terminal is there, attributes become `style.cssText`, and the style elements that it makes when it is opened become
 * style sheets of the document.
 */
export class MarkupStyles {
  readonly #sheets = new Set<CSSStyleSheet>();
  readonly #setAttribute = Element.prototype.setAttribute;

  constructor() {
    const setAttribute = this.#setAttribute;
    Element.prototype.setAttribute = function (this: Element, name: string, value: string) {
      if (name === "style" && this instanceof HTMLElement) this.style.cssText = value;
      else setAttribute.call(this, name, value);
    };
  }

  /** Calls `open`, whose style elements become style sheets. */
  opening(open: () => void): void {
    const sheets = this.#sheets;
    const value = (name: string, options?: ElementCreationOptions): HTMLElement =>
      name === "style" ? styleElement(sheets) : Document.prototype.createElement.call(document, name, options);
    Object.defineProperty(document, "createElement", { configurable: true, value });
    try {
      open();
    } finally {
      Reflect.deleteProperty(document, "createElement"); // the prototype's is there again
    }
  }

  /** Everything is as it was. */
  remove(): void {
    Element.prototype.setAttribute = this.#setAttribute;
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !this.#sheets.has(sheet));
    this.#sheets.clear();
  }
}

/** An element that makes of its text a style sheet of the document; empty and unseen itself. */
function styleElement(sheets: Set<CSSStyleSheet>): HTMLElement {
  const element = Document.prototype.createElement.call(document, "span");
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  let text = "";
  Object.defineProperty(element, "textContent", {
    get: () => text,
    set: (value: string | null) => {
      text = value ?? "";
      sheet.replaceSync(text);
    },
  });
  const remove = element.remove.bind(element);
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
    sheets.delete(sheet);
    remove();
  };
  sheets.add(sheet);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return element;
}
