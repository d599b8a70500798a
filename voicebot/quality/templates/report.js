"use strict";

// The list of calls: filter by words, outcome and answer; sort by a column.
(function list() {
  const table = document.getElementById("call-table");
  if (!table) return;
  const find = document.getElementById("find");
  const outcome = document.getElementById("outcome");
  const answered = document.getElementById("only-answered");
  const bars = [...document.querySelectorAll(".bar")];
  const rows = [...table.tBodies[0].rows];

  function show() {
    const words = find.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const text = (row.textContent + " " + row.dataset.words).toLowerCase();
      row.hidden = !((!words || text.includes(words)) &&
        (!outcome.value || row.dataset.disposition === outcome.value) &&
        (!answered.checked || row.dataset.answered === "1"));
      count += row.hidden ? 0 : 1;
    }
    document.getElementById("found").textContent = count + " of " + rows.length + " calls";
    document.getElementById("nothing-found").hidden = count > 0 || rows.length === 0;
    for (const bar of bars) bar.setAttribute("aria-pressed", String(bar.dataset.disposition === outcome.value));
  }

  function sort(button) {
    const head = button.closest("th");
    const key = button.dataset.sort;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    rows.sort((a, b) => a.dataset[key].localeCompare(b.dataset[key], "en", { numeric: true }) * (down ? -1 : 1));
    table.tBodies[0].append(...rows);
  }

  find.addEventListener("input", show);
  outcome.addEventListener("change", show);
  answered.addEventListener("change", show);
  for (const bar of bars) bar.addEventListener("click", () => {
    outcome.value = outcome.value === bar.dataset.disposition ? "" : bar.dataset.disposition;
    show();
  });
  for (const button of table.querySelectorAll("[data-sort]")) button.addEventListener("click", () => sort(button));
  show();
})();

// One call: a time or a place in the picture moves the player; the player moves the mark.
(function call() {
  const player = document.getElementById("player");
  if (!player) return;
  const timeline = document.querySelector(".timeline");
  const playhead = document.querySelector(".playhead");
  const turns = [...document.querySelectorAll(".turn")];

  function jump(seconds, play) {
    player.currentTime = Math.max(0, seconds);
    follow();
    // A pause before the first sound aborts the play: that is no fault.
    if (play) player.play().catch((fault) => { if (fault.name !== "AbortError") throw fault; });
  }

  function follow() {
    const now = player.currentTime;
    for (const turn of turns) {
      const inside = now >= Number(turn.dataset.from) && now < Number(turn.dataset.to);
      turn.classList.toggle("now", inside);
      const band = timeline && timeline.querySelector("#turn-" + turn.id.slice("turn-text-".length));
      if (band) band.classList.toggle("now", inside);
    }
    if (!timeline) return;
    const { start, end, left, right } = timeline.dataset;
    const share = (now - Number(start)) / (Number(end) - Number(start));
    playhead.hidden = share < 0 || share > 1;
    playhead.style.left = 100 * (Number(left) + share * (1 - Number(left) - Number(right))) + "%";
  }

  for (const button of document.querySelectorAll("[data-at]")) {
    button.addEventListener("click", () => jump(Number(button.dataset.at), true));
  }
  if (timeline) timeline.addEventListener("click", (event) => {
    const { start, end, left, right } = timeline.dataset;
    const box = timeline.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - Number(left)) / (1 - Number(left) - Number(right));
    if (share >= 0 && share <= 1) jump(Number(start) + share * (Number(end) - Number(start)), true);
  });
  player.addEventListener("timeupdate", follow);
  player.addEventListener("seeked", follow);
})();
