(function () {
  "use strict";
  const one = (selector, root) => (root || document).querySelector(selector);
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const columns = all(".col");
  columns.forEach((column, index) => { column.order = index; });
  all(".bar, .switch, .copy, #s-keys").forEach(element => { element.hidden = false; });

  const filter = one("#s-filter"), kind = one("#s-kind"), status = one("#s-status"), sort = one("#s-sort");
  const count = one("#s-count"), heads = all(".hd button");
  const ascending = { n: true, p: true, i: true };
  let direction = 1;

  function key(column, name) {
    const value = column.dataset[name];
    if (name === "n") return value.toLowerCase();
    return name === "g" && Number(value) < 0 ? 0.5 : Number(value);
  }

  function sortRows(name) {
    const sign = (ascending[name] ? 1 : -1) * direction;
    all(".rows").forEach(rows => {
      all(".col", rows).sort((a, b) => {
        if (!name) return a.order - b.order;
        const x = key(a, name), y = key(b, name);
        return (x < y ? -sign : x > y ? sign : 0) || a.order - b.order;
      }).forEach(column => rows.appendChild(column));
    });
    heads.forEach(head => {
      head.setAttribute("aria-pressed", String(head.dataset.s === name));
      head.toggleAttribute("data-up", sign > 0);
    });
  }

  function matches(column) {
    const text = filter.value.trim().toLowerCase(), grade = status.value, data = column.dataset;
    if (text && !data.n.toLowerCase().includes(text)) return false;
    if (kind.value && data.k !== kind.value) return false;
    if (grade === "drifted") return Number(data.g) > 0;
    if (grade === "unseen") return data.v === "1";
    return !grade || data.g === grade;
  }

  function applyFilter() {
    let shown = 0;
    columns.forEach(column => {
      column.hidden = !matches(column);
      shown += column.hidden ? 0 : 1;
    });
    all(".grp").forEach(title => { title.hidden = !one(".col:not([hidden])", title.nextElementSibling); });
    one("#s-none").hidden = shown > 0;
    count.textContent = shown + " of " + columns.length + " columns";
  }

  function clearFilter() {
    filter.value = kind.value = status.value = "";
    applyFilter();
  }

  if (filter) {
    [filter, kind, status].forEach(element => element.addEventListener("input", applyFilter));
    sort.addEventListener("change", () => { direction = 1; sortRows(sort.value); });
    heads.forEach(head => {
      head.disabled = false;
      head.setAttribute("aria-pressed", "false");
      head.addEventListener("click", () => {
        direction = head.getAttribute("aria-pressed") === "true" ? -direction : 1;
        sort.value = one('option[value="' + head.dataset.s + '"]', sort) ? head.dataset.s : "";
        sortRows(head.dataset.s);
        count.textContent = "Sorted by " + head.textContent;
      });
    });
    one("#s-clear").addEventListener("click", () => { clearFilter(); filter.focus(); });
    const expand = one("#s-expand");
    expand.addEventListener("click", () => {
      const open = expand.textContent === "Expand all";
      columns.forEach(column => { column.open = open; });
      expand.textContent = open ? "Collapse all" : "Expand all";
    });
    applyFilter();
  }

  document.addEventListener("click", event => {
    const view = event.target.closest("[data-view]");
    if (view) {
      document.body.classList.toggle("curves", view.dataset.view === "cdf");
      all("[data-view]").forEach(button => {
        button.setAttribute("aria-pressed", String(button.dataset.view === view.dataset.view));
      });
    }
    const copy = event.target.closest(".copy");
    if (copy) copyText(one("pre", copy.parentNode), copy);
  });

  function copyText(pre, button) {
    const done = () => {
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    };
    const range = document.createRange();
    range.selectNodeContents(pre);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(pre.textContent).then(done, () => {});
    else if (document.execCommand("copy")) done();
  }

  // The fragment is the id of the panel inside: without a script the browser opens the row by itself.
  function openFragment() {
    const id = location.hash.slice(1);
    const panel = id && document.getElementById(id);
    const column = panel && panel.closest(".col");
    if (!column) return;
    if (column.hidden) clearFilter();
    column.open = true;
    column.scrollIntoView();
    one("summary", column).focus({ preventScroll: true });
  }
  addEventListener("hashchange", openFragment);
  openFragment();

  document.addEventListener("keydown", event => {
    if (!filter || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (event.key === "Escape" && event.target === filter) {
      filter.value = "";
      applyFilter();
      filter.blur();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const rows = all(".col:not([hidden]) > summary");
      const from = rows.indexOf(event.target);
      if (from < 0 && !(event.target === filter && event.key === "ArrowDown")) return;
      event.preventDefault();
      const to = from + (event.key === "ArrowDown" ? 1 : -1);
      (to < 0 ? filter : rows[to] || rows[from]).focus();
    }
  });
})();
