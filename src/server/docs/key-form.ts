import type { SecuritySchemes } from "../../openapi/annotate.ts";

/**
 * A script for the documentation pages of an app that identifies its callers. If the document needs a key, it asks for
 * one, and sends it with the request for the document and with those that are tried out on the page. The key is kept in
 * the page's memory only.
 */
export function keyForm(schemes: SecuritySchemes): { filename: string; content: string } {
  return { filename: "key-form.js", content: `(${SCRIPT})(${JSON.stringify(headerOf(schemes))});` };
}

/** The header that carries a key, and the text before the key. */
function headerOf(schemes: SecuritySchemes): { name: string; prefix: string } {
  for (const { type, in: place, name, scheme } of Object.values(schemes)) {
    if (type === "http" && typeof scheme === "string" && scheme.toLowerCase() === "bearer") break;
    if (type === "apiKey" && place === "header" && typeof name === "string") return { name, prefix: "" };
  }
  return { name: "Authorization", prefix: "Bearer " };
}

// Runs in the browser, after the script that shows the document once the page has loaded.
const SCRIPT = `function (header) {
  "use strict";
  const show = window.onload;
  const createPage = window.SwaggerUIBundle;
  let key = "";
  const withKey = (request) => {
    const isOurs = new URL(request.url, location.href).origin === location.origin;
    const isSet = Object.keys(request.headers || {}).some((name) => name.toLowerCase() === header.name.toLowerCase());
    if (key !== "" && isOurs && !isSet) {
      request.headers = { ...request.headers, [header.name]: header.prefix + key };
    }
    return request;
  };
  window.SwaggerUIBundle = Object.assign(
    (config) => createPage({ ...config, requestInterceptor: withKey }),
    createPage,
  );
  const address = location.href.split(/[?#]/, 1)[0].replace(/\\/?$/, "/") + "json";
  const ask = () => fetch(address, withKey({ url: address, headers: {} }));
  const showForm = () => {
    const form = document.createElement("form");
    form.style.cssText = "max-width: 30em; margin: 15vh auto; font: 16px sans-serif; display: grid; gap: 0.7em";
    const label = document.createElement("label");
    label.textContent = "This API needs a key.";
    label.htmlFor = "key";
    const input = document.createElement("input");
    Object.assign(input, { id: "key", type: "password", autocomplete: "off", required: true, autofocus: true });
    input.style.cssText = "font: inherit; padding: 0.4em";
    const button = document.createElement("button");
    button.textContent = "Show the documentation";
    button.style.cssText = "font: inherit; padding: 0.4em";
    const message = document.createElement("p");
    message.setAttribute("role", "alert");
    form.append(label, input, button, message);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      key = input.value.trim();
      message.textContent = "";
      try {
        const answer = await ask();
        if (answer.ok) {
          form.remove();
          show.call(window);
        } else {
          const { detail } = await answer.json();
          message.textContent = typeof detail === "string" ? detail : "The key was not accepted.";
        }
      } catch (error) {
        message.textContent = "The server could not be reached, or the key has characters that can't be sent.";
      }
    });
    document.body.prepend(form);
    input.focus();
  };
  window.onload = async () => {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && answer.status !== 401) show.call(window);
    else showForm();
  };
}`;
