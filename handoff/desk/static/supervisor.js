// A supervisor's page.

import { $, alerts, ask, fill, follow, h, length, row, t, turns } from "./page.js";

follow("supervisor", (view) => {
  alerts(view.alerts);
  tiles(view);
  const reasons = Object.fromEntries(view.calls.map((call) => [call.attempt_id, call.reason]));
  table("waiting", view.waiting, (one) => row(t(`q_${one.queue}`, one.queue), reasons[one.attempt_id] ?? "", length(one.waits_s), one.run));
  const names = Object.fromEntries(view.agents.map((agent) => [agent.id, agent.name]));
  const calls = view.calls.map(({ since_s, ...call }) => call);
  table("calls", calls, (call) => row(t(`q_${call.queue}`, call.queue), call.reason, t(`s_${call.state}`, call.state), names[call.agent_id] ?? call.agent_id ?? "—", looker(call)));
  fill($("agents").tBodies[0], view.agents, (agent) =>
    row(
      `${agent.name} (${agent.id})`,
      h("span", {}, h("span", { class: `chip p-${agent.presence}` }, t(`p_${agent.presence}`)), agent.presence === "break" && agent.break ? ` ${t(`break_${agent.break}`)}` : "", agent.detail ? ` ${agent.detail}` : ""),
      agent.skills.map((skill) => t(`q_${skill}`, skill)).join("、"),
      String(agent.calls),
    ),
  );
  look(view.look);
});

function table(id, rows, make) {
  $(`none-${id}`).hidden = rows.length > 0;
  $(id).hidden = rows.length === 0;
  fill($(id).tBodies[0], rows, make);
}

function tiles({ runs, waiting, agents }) {
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const wanted = sum("wanted");
  const rate = wanted ? `${((100 * sum("abandoned")) / wanted).toFixed(1)} %` : "—";
  const here = agents.filter((agent) => ["free", "reserved", "talking", "wrap_up", "resting"].includes(agent.presence));
  fill(
    $("tiles"),
    [
      [t("waiting_calls"), String(waiting.length)],
      [t("p_free"), `${here.filter((agent) => agent.presence === "free").length} / ${here.length}`],
      [t("wanted"), String(wanted)],
      [t("abandoned"), String(sum("abandoned"))],
      [t("abandon_rate"), rate],
    ],
    ([name, value]) => h("div", { class: "tile" }, h("p", { class: "soft" }, name), h("p", { class: "value" }, value)),
  );
}

function looker(call) {
  const button = h("button", { class: "quiet" }, t("look"));
  button.onclick = () => ask("/api/look", { attempt_id: call.attempt_id });
  return button;
}
$("look-end").onclick = () => ask("/api/look", { attempt_id: null });

function look(call) {
  const opened = $("look").hidden && call;
  $("look").hidden = !call;
  if (!call) return;
  $("look-title").textContent = `${call.reason} · ${call.name_masked} ${call.phone_masked} · ${t(`s_${call.state}`, call.state)}`;
  turns($("look-turns"), call.turns);
  if (opened) $("look-title").focus();
}
