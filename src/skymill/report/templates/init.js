(() => {
  "use strict";
  const root = document.documentElement;
  const problems = [];
  window.addEventListener("error", (event) => { problems.push(event.message); root.dataset.errors = problems.join("; "); });
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
  const plots = [...document.querySelectorAll(".plot")];
  let drawn = 0;
  const draw = async (div) => {
    if (div.dataset.drawn) return;
    div.dataset.drawn = "1";
    const spec = JSON.parse(document.getElementById(div.dataset.spec).textContent);
    await Plotly.newPlot(div, spec.data, spec.layout, config);
    root.dataset.drawn = `${++drawn}/${plots.length}`;
  };
  const inView = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => { inView.unobserve(entry.target); draw(entry.target); });
  }, { rootMargin: "600px" });
  plots.forEach((div) => inView.observe(div));
  // What is out of sight is drawn when there is time, so that a printed page is whole.
  const later = async () => {
    for (const div of plots) { if (div.offsetParent !== null) { await draw(div); await new Promise((done) => setTimeout(done)); } }
  };
  window.addEventListener("load", () => setTimeout(later, 50));
  document.querySelectorAll("details").forEach((details) => details.addEventListener("toggle", () => {
    if (details.open) details.querySelectorAll(".plot").forEach((div) => draw(div).then(() => Plotly.Plots.resize(div)));
  }));
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const sections = [...document.querySelectorAll("section[id]")];
  const mark = () => {
    const current = sections.filter((section) => section.getBoundingClientRect().top < 140).pop() || sections[0];
    links.forEach((link, id) => link.classList.toggle("here", current !== undefined && id === current.id));
  };
  document.addEventListener("scroll", mark, { passive: true });
  mark();
})();
