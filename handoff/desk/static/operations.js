// The page of operations: what runs, how it goes, and the brakes.

import { $, alerts, ask, fill, follow, h, t } from "./page.js";

const WISHES = ["pause", "resume", "drain", "stop"];
const PERSON = "a person";

follow("operations", (view) => {
  alerts(view.alerts);
  $("no-runs").hidden = view.runs.length > 0;
  fill($("campaigns"), view.runs, campaign);
});

function campaign(run) {
  const { progress } = run;
  const paused = run.held_up_by.includes(PERSON);
  const numbers = ["planned", "live", "done", "answered", "refused"].map((key) => [t(key), progress[key] ?? 0]);
  numbers.push([t("wanted"), run.wanted], [t("abandoned"), run.abandoned], [t("workers"), run.workers]);
  return h(
    "section",
    { class: "panel", "aria-label": run.campaign },
    h(
      "div",
      { class: "card-top" },
      h("h2", {}, run.campaign, run.simulated ? h("span", { class: "chip" }, t("simulated")) : "", " ", h("small", { class: "soft" }, run.campaign_id)),
      h("div", { class: "buttons" }, ...WISHES.filter((wish) => wish !== (paused ? "pause" : "resume")).map((wish) => button(run, wish))),
    ),
    run.held_up_by.length ? h("p", { class: "warning" }, `${t("held_up_by")}: ${run.held_up_by.join(", ")}`) : null,
    h("dl", { class: "facts" }, ...numbers.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))))),
    h("div", { class: "columns even" }, bars(t("dispositions"), progress.dispositions, "d_"), bars(t("refusals"), progress.refused_by_reason, "")),
  );
}

function bars(title, counts, prefix) {
  const rows = Object.entries(counts ?? {}).sort((a, b) => b[1] - a[1]);
  if (!rows.length) return null;
  const most = rows[0][1];
  return h(
    "div",
    {},
    h("h3", {}, title),
    h("ul", { class: "bars" }, ...rows.map(([code, count]) => h("li", {}, h("span", {}, t(prefix + code, code)), h("meter", { min: 0, max: most, value: count, "aria-label": `${code}: ${count}` }), h("b", {}, String(count))))),
  );
}

function button(run, wish) {
  const made = h("button", { class: wish === "stop" ? "stop" : "" }, t(`w_${wish}`));
  made.onclick = async () => {
    if (wish !== "stop" || (await sure())) await ask("/api/wish", { campaign_id: run.campaign_id, wish });
  };
  return made;
}

function sure() {
  const dialog = $("sure");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
