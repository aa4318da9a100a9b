(function () {
  "use strict";
  const one = (selector, root) => (root || document).querySelector(selector);
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const map = one("#s-map");
  if (!map) return;
  const model = JSON.parse(one("#s-model").textContent);
  const tip = one("#s-tip"), say = one("#s-say"), filter = one("#s-filter"), sort = one("#s-sort");
  const touch = matchMedia("(pointer: coarse)").matches;
  const word = {
    y0: "like ordinary " + model.unit + "s", y1: "small", y2: "medium", y3: "large", yn: "not judged",
  };
  const isCell = "a[class^=y]";
  const rows = all("tr[data-n]", map);
  rows.forEach((row, index) => { row.order = index; });
  one("#s-tools").hidden = false;

  // The map is one tab stop: the arrow keys move inside it.
  const cells = all(isCell, map);
  cells.forEach(cell => { cell.tabIndex = -1; });
  if (cells.length) one(isCell, rows[0].lastElementChild).tabIndex = 0;
  let current = null;

  const narrow = matchMedia("(max-width: 700px)").matches;
  const ranges = all('[name="range"]');
  if (narrow && ranges.length) ranges[0].checked = true;
  const scrollToEnd = () => { map.scrollLeft = map.scrollWidth; };
  ranges.forEach(range => range.addEventListener("change", scrollToEnd));
  scrollToEnd();

  function describe(cell) {
    const row = cell.closest("tr"), hour = cell.parentNode.cellIndex - 2;
    const ordinary = model.ordinary[row.order], text = cell.textContent;
    const distance = text && "L∞ " + (text === "1" ? "1.00" : "0" + text);
    const usual = distance && ordinary !== null ? ", ordinary " + model.unit + "s up to " + ordinary.toFixed(2) : "";
    return {
      name: row.dataset.n,
      time: model.times[hour],
      grade: word[cell.className.split(" ")[0]],
      distance: distance + usual,
      volume: model.volume[hour],
    };
  }

  function show(cell, x, y) {
    if (current) current.classList.remove("on");
    all("tr.x", map).forEach(row => row.classList.remove("x"));
    current = cell;
    cell.classList.add("on");
    cell.closest("tr").classList.add("x");
    const found = describe(cell);
    if (cell.href) {
      const parts = [found.name, found.time, found.grade, found.distance];
      cell.setAttribute("aria-label", parts.filter(Boolean).join(", "));
    }
    const title = document.createElement("b");
    title.textContent = found.name + " · " + found.grade;
    tip.replaceChildren(title);
    [found.time + " UTC", found.distance, found.volume].filter(Boolean).forEach(line => {
      tip.append(document.createElement("br"), line);
    });
    const head = document.createElement("b");
    head.textContent = found.name + ", " + found.time + ": " + found.grade + ". ";
    say.replaceChildren(head, (found.distance ? found.distance + ". " : "") + found.volume + ". ");
    if (touch && cell.href) {
      const link = document.createElement("a");
      link.href = cell.href;
      link.textContent = "Open report";
      say.append(link);
    }
    place(cell, x, y);
  }

  function place(cell, x, y) {
    tip.hidden = false;
    const box = cell.getBoundingClientRect();
    const left = (x === undefined ? box.left : x) + 14, top = y === undefined ? box.bottom : y;
    tip.style.left = Math.max(8, Math.min(left, innerWidth - tip.offsetWidth - 8)) + "px";
    const below = top + tip.offsetHeight + 24 <= innerHeight;
    tip.style.top = (below ? top + 14 : top - tip.offsetHeight - 14) + "px";
  }

  const hide = () => { tip.hidden = true; };
  map.addEventListener("mousemove", event => {
    if (touch) return;
    const cell = event.target.closest(isCell);
    if (cell) show(cell, event.clientX, event.clientY);
    else hide();
  });
  map.addEventListener("mouseleave", hide);
  map.addEventListener("focusin", event => {
    const cell = event.target.closest(isCell);
    if (!cell) return;
    all(isCell + '[tabindex="0"]', map).forEach(other => { other.tabIndex = -1; });
    cell.tabIndex = 0;
    show(cell);
  });
  map.addEventListener("focusout", hide);
  map.addEventListener("click", event => {
    const cell = event.target.closest(isCell);
    if (cell && touch && current !== cell) {
      event.preventDefault();
      show(cell);
    }
  });

  function neighbour(cell, key) {
    const place = cell.parentNode, row = place.parentNode;
    const shown = rows.filter(other => !other.hidden).sort((a, b) => a.rowIndex - b.rowIndex);
    const at = shown.indexOf(row);
    if (key === "ArrowRight") return place.nextElementSibling;
    if (key === "ArrowLeft") return place.previousElementSibling;
    if (key === "ArrowDown") return shown[at + 1] && shown[at + 1].cells[place.cellIndex];
    if (key === "ArrowUp") return shown[at - 1] && shown[at - 1].cells[place.cellIndex];
    if (key === "Home") return all("td:not(.now)", row).find(other => other.offsetWidth);
    return key === "End" ? row.lastElementChild : undefined;
  }

  map.addEventListener("keydown", event => {
    const cell = event.target.closest(isCell);
    if (!cell) return;
    if (event.key === "Escape") return hide();
    if (!/^(Arrow|Home|End)/.test(event.key)) return;
    event.preventDefault();
    const place = neighbour(cell, event.key), next = place && one(isCell, place);
    if (next && next.offsetWidth) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  });

  filter.addEventListener("input", () => {
    const text = filter.value.trim().toLowerCase();
    rows.forEach(row => { row.hidden = Boolean(text) && !row.dataset.n.toLowerCase().includes(text); });
  });
  sort.addEventListener("change", () => {
    all("tbody.g", map).forEach(body => {
      all("tr[data-n]", body).sort((a, b) => {
        if (sort.value === "n") return a.dataset.n.toLowerCase() < b.dataset.n.toLowerCase() ? -1 : 1;
        return (sort.value === "i" ? a.dataset.i - b.dataset.i : 0) || a.order - b.order;
      }).forEach(row => body.appendChild(row));
    });
  });
  document.addEventListener("keydown", event => {
    if (event.key === "/" && !/INPUT|SELECT/.test(event.target.tagName) && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      filter.focus();
    } else if (event.key === "Escape" && event.target === filter) {
      filter.value = "";
      filter.dispatchEvent(new Event("input"));
    }
  });

  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target && target.matches("tr[data-n]")) {
    target.classList.add("x");
    target.scrollIntoView({ block: "center" });
  }
})();
