// An agent's page.

import { $, ask, fill, follow, h, length, row, say, t, turns } from "./page.js";

const KEYS = { F2: ["accept"], F4: ["decline"], F7: ["mute", "unmute"], F8: ["hold", "resume"], F9: ["return"], "Shift+F4": ["hang_up"] };
const title = document.title;
let view = null;
let shownAttempt = null;
let shownWrap = null;
let since = 0;

follow("desk", (news) => {
  const before = view;
  view = news;
  presence(news);
  card(news.call);
  wrap(news.wrap);
  $("idle").hidden = Boolean(news.call || news.wrap);
  const over = (before?.call && !news.call) || (before?.wrap && !news.wrap) || !before;
  if (over) today();
});

// ---- presence

function presence({ me, runs, notice }) {
  const why = me.presence === "break" ? ` · ${t(`break_${me.break}`)}` : "";
  $("presence").textContent = t(`p_${me.presence}`) + why;
  $("presence").className = `chip p-${me.presence}`;
  $("be-available").disabled = !me.qualified;
  $("be-available").hidden = me.break === null;
  $("to-break").hidden = me.break !== null && me.break !== "arrived";
  $("not-qualified").hidden = me.qualified;
  $("not-qualified").textContent = `${t("not_qualified")}：${me.why_not}`;
  $("notice").hidden = !notice;
  $("notice").textContent = notice ? t(`o_${notice}`, notice) : "";
  $("runs").textContent = runs.length ? `${t("runs")}: ${runs.join(", ")}` : t("no_runs");
}

$("be-available").onclick = () => ask("/api/presence", { reason: null });
$("take-break").onclick = () => ask("/api/presence", { reason: $("break-reason").value });

// ---- the card

function stateOf(call) {
  if (call.state === "bridged" && call.held) return "held";
  if (call.state === "bridged" && call.muted) return "muted";
  return call.state === "ringing" && call.accepted ? "accepted" : call.state;
}

function possible(call, act) {
  if (!call.may.includes(act)) return false;
  return { hold: !call.held, resume: call.held, mute: !call.muted && !call.held, unmute: call.muted, accept: !call.accepted }[act] ?? true;
}

function card(call) {
  $("card").hidden = !call;
  document.title = call && call.state !== "bridged" ? `● ${t("incoming")} · ${title}` : title;
  if (!call) {
    shownAttempt = null;
    return;
  }
  since = Date.now() / 1000 - call.since_s;
  const state = stateOf(call);
  $("card-state").className = `state s-${state}`;
  if ($("card-state").dataset.state !== state) {
    $("card-state").dataset.state = state;
    $("card-state").replaceChildren(t(`s_${state}`), " ", h("span", { id: "clock", "aria-hidden": "true" }));
  }
  for (const button of document.querySelectorAll("[data-act]")) button.hidden = !possible(call, button.dataset.act);
  $("pass-on").hidden = !call.may.includes("pass_on") || !call.other_queues.length;
  fill($("to-queue"), call.other_queues, (name) => h("option", { value: name }, t(`q_${name}`, name)));
  turns($("turns"), call.turns);
  fill($("warnings"), call.warnings, (why) => h("li", { class: "warning" }, h("b", {}, t("alert_words")), ` ${why}`));
  if (shownAttempt === call.attempt_id + call.reason) return;
  shownAttempt = call.attempt_id + call.reason;
  $("card-title").textContent = call.reason;
  $("warn-contact").hidden = !call.to_contact;
  $("revealed").textContent = "";
  const facts = [
    [t("debtor"), call.name_masked],
    [t("phone"), call.phone_masked],
    [t("level"), t(`level_${call.level}`), call.level < 2 ? "alarm" : ""],
    [t("queue"), t(`q_${call.queue}`, call.queue) + (call.priority ? ` · ${t("priority")}` : "")],
    [t("agreed"), call.agreed.map((fact) => `${t(`f_${fact.key}`)} ${fact.text}`).join("；") || t("nothing_agreed")],
    ...call.facts.map((fact) => [t(`f_${fact.key}`, fact.key), fact.text]),
    [t("case"), call.case_id + (call.simulated ? ` · ${t("simulated")}` : "")],
  ];
  fill($("case-facts"), facts, ([name, text, kind]) => h("div", {}, h("dt", {}, name), h("dd", { class: kind }, text)));
  fill($("rules"), call.reminders, (code) => h("li", { class: /not_verified|contact|care/.test(code) ? "first" : null }, t(`r_${code}`)));
  fill($("lines"), call.lines, (line) => h("li", {}, line.text));
  $("card-title").focus();
}

setInterval(() => {
  const clock = $("clock");
  if (clock && view?.call) clock.textContent = length(Date.now() / 1000 - since);
}, 500);

async function act(name) {
  if (view?.call && possible(view.call, name)) await ask("/api/act", { attempt_id: view.call.attempt_id, act: name });
}
for (const button of document.querySelectorAll("[data-act]")) button.onclick = () => act(button.dataset.act);

$("pass-on").onsubmit = (event) => {
  event.preventDefault();
  ask("/api/act", { attempt_id: view.call.attempt_id, act: "pass_on", queue: $("to-queue").value });
};

document.addEventListener("keydown", (event) => {
  const acts = KEYS[(event.shiftKey ? "Shift+" : "") + event.key];
  if (!acts || event.repeat || event.ctrlKey || event.altKey || event.metaKey || !view?.call) return;
  const fitting = acts.find((name) => possible(view.call, name));
  if (!fitting) return;
  event.preventDefault();
  act(fitting);
});

$("reveal").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await ask("/api/reveal", { attempt_id: view.call.attempt_id, reason: $("reveal-reason").value });
  if (!answer) return;
  const attempt = shownAttempt;
  $("revealed").textContent = answer.name;
  setTimeout(() => attempt === shownAttempt && ($("revealed").textContent = ""), 30000);
};

// ---- wrap-up

function wrap(form) {
  $("wrap").hidden = !form;
  if (!form) {
    shownWrap = null;
    return;
  }
  turns($("wrap-turns"), form.turns);
  if (shownWrap === form.call) return;
  shownWrap = form.call;
  $("wrap-form").reset();
  $("wrap-fault").hidden = true;
  needed();
  $("wrap-case").textContent = [form.case_id, form.phone_masked, form.card?.reason].filter(Boolean).join(" · ");
  $("wrap-title").focus();
}

function needed() {
  const chosen = $("w-disposition").value;
  for (const label of document.querySelectorAll("[data-for]")) {
    label.hidden = label.dataset.for !== chosen;
    label.querySelector("input").required = !label.hidden;
  }
}
$("w-disposition").onchange = needed;

$("wrap-form").onsubmit = async (event) => {
  event.preventDefault();
  const chosen = $("w-disposition").value;
  const only = (wanted, id) => (chosen === wanted ? $(id).value || null : null);
  const count = only("PLAN_SUBMITTED", "w-instalments");
  const answer = await ask(
    "/api/wrap-up",
    {
      call: view.wrap.call,
      disposition: chosen,
      promise_date: only("PTP", "w-promise-date"),
      promise_amount: only("PTP", "w-promise-amount"),
      callback_at: only("CALLBACK", "w-callback"),
      instalments: count === null ? null : Number(count),
      stop_calling: $("w-stop").checked,
      note: $("w-note").value,
    },
    { quiet: true },
  );
  $("wrap-fault").hidden = !answer?.word;
  if (answer?.word) $("wrap-fault").textContent = t(answer.word, t("failed"));
};

// ---- my calls today

async function today() {
  const answer = await ask("/api/today");
  if (!answer) return;
  $("none-today").hidden = answer.calls.length > 0;
  $("today").hidden = answer.calls.length === 0;
  fill($("today").tBodies[0], answer.calls, (call) =>
    row(
      new Date(call.at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false }),
      call.case_id,
      call.phone_masked,
      t(`q_${call.queue}`, call.queue),
      call.reason,
      call.talk_s === null ? "—" : length(call.talk_s),
      (call.disposition ? t(`d_${call.disposition}`) : call.outcome ? t(`o_${call.outcome}`, call.outcome) : "…") + (call.effects_due ? ` · ${t("effects_due")}` : ""),
    ),
  );
}
