// What all pages of the desk share: words, elements, the line with its views, requests.

const words = JSON.parse(document.body.dataset.words);
const csrf = document.body.dataset.csrf;
const AGAIN_MS = [500, 1000, 2000, 4000];

export const $ = (id) => document.getElementById(id);
export const t = (key, otherwise = key) => words[key] ?? otherwise;

// An element with attributes and children.  Text is always text: nothing is read as HTML.
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

// Fills a list or table body, when what it shows has changed.
export function fill(parent, rows, make) {
  const key = JSON.stringify(rows);
  if (parent.dataset.shown === key) return false;
  parent.dataset.shown = key;
  parent.replaceChildren(...rows.map(make));
  return true;
}

export const row = (...cells) => h("tr", {}, ...cells.map((cell) => h("td", {}, cell ?? "")));

export function length(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// Spoken words as bubbles; the list stays at its end unless somebody scrolled back.
export function turns(list, said) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const same = list.dataset.first === (said[0]?.text ?? "");
  if (!same || list.childElementCount > said.length) list.replaceChildren();
  const from = list.childElementCount;
  list.append(
    ...said.slice(from).map((turn) =>
      h("li", { class: `turn ${turn.speaker}` }, h("b", {}, t(`speaker_${turn.speaker}`)), " ", h("span", {}, turn.text)),
    ),
  );
  list.dataset.first = said[0]?.text ?? "";
  if (atEnd && said.length > from) list.scrollTop = list.scrollHeight;
}

let hide;
export function say(word) {
  const said = $("said");
  said.textContent = t(word, t("failed"));
  said.hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => (said.hidden = true), 6000);
}

// A request.  Gives the answer, or null after saying why not.
export async function ask(path, body, { quiet = false } = {}) {
  try {
    const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", "X-CSRF": csrf } };
    const answer = await fetch(path, { ...options, redirect: "error" });
    if (answer.ok) return await answer.json();
    if (answer.status === 401) return leave();
    const why = await answer.json().catch(() => ({ word: "failed" }));
    if (!quiet) say(why.word);
    return quiet ? { word: why.word } : null;
  } catch {
    if (!quiet) say("failed");
    return quiet ? { word: "failed" } : null;
  }
}

function leave() {
  say("session_over");
  setTimeout(() => location.assign("/login"), 1500);
  return null;
}

// The line to the desk: told the whole view at each change; looks for the desk again when it is lost.
export function follow(kind, show) {
  let tries = 0;
  const state = (word, on) => {
    $("line").textContent = t(word);
    $("line").classList.toggle("off", !on);
  };
  const open = () => {
    const line = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live/${kind}`);
    line.onopen = () => state("online", true);
    line.onmessage = (message) => {
      tries = 0;
      show(JSON.parse(message.data));
    };
    line.onclose = async (end) => {
      state("offline", false);
      if (end.code === 4401) return leave();
      const wait = AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)];
      setTimeout(async () => {
        // A refused line tells no status: an ordinary request does.
        const answer = await fetch("/live/alive", { redirect: "error" }).catch(() => null);
        if (answer?.status === 401) leave();
        else open();
      }, wait);
    };
  };
  open();
}

export function alerts(found) {
  $("no-alerts").hidden = found.length > 0;
  fill($("alerts"), found, (alert) => h("li", { class: "warning" }, h("b", {}, t(`alert_${alert.kind}`, alert.kind.replaceAll("_", " "))), " ", alert.text));
}
