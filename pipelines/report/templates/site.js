"use strict";
(() => {
  const table = document.getElementById("builds");
  if (!table) return;
  const groups = [...table.tBodies];
  const headings = [...table.tHead.rows[0].cells];
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const builds = groups.reduce((sum, group) => sum + group.rows.length, 0);
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const texts = new Map();
  const open = new Set();

  // What a row is found by: all that it shows, and the names of its classes.
  function textOf(row) {
    if (!texts.has(row)) {
      const titles = [...row.querySelectorAll("td[title]")].map((cell) => cell.title);
      texts.set(row, [...[...row.cells].map((cell) => cell.textContent), ...titles].join(" ").toLowerCase());
    }
    return texts.get(row);
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const group of groups) {
      for (const row of group.rows) {
        const fits = words.every((word) => textOf(row).includes(word));
        found += fits;
        row.hidden = !fits || (!words.length && row !== group.rows[0] && !open.has(group));
      }
    }
    count.textContent = words.length ? `${found.toLocaleString("en")} of ${builds.toLocaleString("en")} builds` : "";
  }

  function key(group, column, number) {
    const cell = group.rows[0].cells[column];
    const value = cell.dataset.v ?? (cell.querySelector("a, b, bdi") ?? cell).textContent.trim();
    return value === "" ? null : number ? Number(value) : value;
  }

  // Builds that have no such figure come last, whichever way it is sorted.
  function sort(heading) {
    const column = headings.indexOf(heading);
    const number = "number" in heading.dataset;
    const was = heading.getAttribute("aria-sort");
    const down = was ? was === "ascending" : "down" in heading.dataset;
    const keys = new Map(groups.map((group) => [group, key(group, column, number)]));
    groups.sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      return (number ? a - b : order.compare(a, b)) * (down ? -1 : 1);
    });
    headings.forEach((one) => one.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.append(...groups);
  }

  function addToggle(group) {
    const older = group.rows.length - 1;
    if (!older) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "more";
    button.textContent = `${older} older`;
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const opens = !open.delete(group);
      if (opens) open.add(group);
      button.setAttribute("aria-expanded", String(opens));
      filter();
    });
    const first = group.rows[0].cells[0];
    first.insertBefore(button, first.querySelector(".place"));
  }

  function fromAddress() {
    const found = location.hash.match(/^#q=(.*)$/);
    if (!found) return;
    try {
      search.value = decodeURIComponent(found[1]);
    } catch {
      search.value = found[1];
    }
    filter();
  }

  for (const heading of headings) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }
  groups.forEach(addToggle);
  for (const group of groups) for (const row of group.rows) row.hidden = row !== group.rows[0];
  search.addEventListener("input", () => {
    history.replaceState(null, "", search.value ? `#q=${encodeURIComponent(search.value)}` : location.pathname + location.search);
    filter();
  });
  document.getElementById("find").hidden = false;
  addEventListener("hashchange", fromAddress);
  fromAddress();
})();
