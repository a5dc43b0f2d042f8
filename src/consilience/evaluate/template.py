"""The report's frame: one page with its style and its few lines of script inside. Knows no number and no chart."""

from __future__ import annotations

import base64
import hashlib

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header>{header}</header>
<main id="main">
{body}
</main>
<footer>{footer}</footer>
<script>{script}</script>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --bg: #fbfbfa; --card: #fff; --ink: #1d2226; --soft: #5c666e; --line: #e3e5e6;
  --accent: #0b6e75; --second: #c2703d; --wash: #0b6e7514; --warn: #8a5a00; --warn-bg: #fff6e0; --heat: 11, 110, 117; }
@media (prefers-color-scheme: dark) { :root { --bg: #14181a; --card: #1b2022; --ink: #e4e8ea; --soft: #9aa5ab;
  --line: #2d3437; --accent: #4fb8bf; --second: #e0935f; --wash: #4fb8bf1c; --warn: #f0c56a; --warn-bg: #2c2615;
  --heat: 79, 184, 191; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1080px; padding: 48px 28px 80px; background: var(--bg); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei",
  "Noto Sans CJK SC", sans-serif; font-variant-numeric: tabular-nums; }
.skip { position: absolute; left: -999em; } .skip:focus { left: 16px; top: 8px; }
h1 { font-size: 28px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; margin: 0 0 6px; }
h2 { font-size: 18px; font-weight: 650; margin: 0 0 4px; }
h1, h2, p, dd, li, summary, figcaption { overflow-wrap: anywhere; }
td, th { overflow-wrap: break-word; max-width: 26em; } bdi { unicode-bidi: isolate; }
p { margin: 0 0 12px; max-width: 72ch; } .soft { color: var(--soft); }
dl.facts { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 14px 0 0; }
dl.facts dt { color: var(--soft); font-size: 12px; } dl.facts dd { margin: 0; }
section { margin-top: 52px; } section > p { color: var(--soft); }
.verdict { margin-top: 32px; background: var(--card); border: 1px solid var(--line);
  border-left: 4px solid var(--accent);
  border-radius: 8px; padding: 22px 26px; } .verdict p { margin: 0 0 8px; } .verdict p:last-child { margin: 0; }
.verdict .lead { font-size: 19px; line-height: 1.45; } .verdict .lead strong { color: var(--accent); }
.warnings { margin-top: 20px; background: var(--warn-bg); border-radius: 8px; padding: 16px 24px; }
.warnings h2 { color: var(--warn); font-size: 15px; } .warnings ul { margin: 0; padding-left: 20px; }
.scroll { overflow-x: auto; margin: 14px 0 0; } .scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding: 0 0 6px; }
th, td { padding: 7px 12px 7px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; font-size: 12.5px; vertical-align: bottom; white-space: nowrap; }
tbody th { font-weight: 500; min-width: 9em; } td.n, th.n { text-align: right; white-space: nowrap; }
tr.best > * { background: var(--wash); } tr.best > :first-child { box-shadow: inset 3px 0 var(--accent); }
tr.best > :first-child, .board tbody tr > :first-child { padding-left: 10px; }
.board thead tr > :first-child { padding-left: 10px; }
.tag { display: inline-block; margin-left: 6px; padding: 0 7px; border-radius: 9px; font-size: 11.5px; font-weight: 600;
  background: var(--accent); color: var(--bg); white-space: nowrap; }
.ci { display: block; color: var(--soft); font-size: 11.5px; }
.bar { display: block; height: 3px; margin-top: 3px; border-radius: 2px; background: var(--line); min-width: 56px; }
.bar i { display: block; height: 100%; border-radius: 2px; background: var(--accent); }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid var(--accent); }
th button:hover { color: var(--ink); } th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
.grid { display: grid; gap: 24px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr));
  margin-top: 14px; }
.pair { display: grid; gap: 32px; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); margin-top: 14px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px;
  min-width: 0; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { font-weight: 600; font-size: 13.5px; margin-bottom: 8px; }
figcaption .key { font-weight: 400; font-size: 12px; color: var(--soft); margin-left: 10px; white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: 14px; height: 0; border-top: 2px solid var(--accent);
  vertical-align: middle; margin-right: 5px; } .key.b::before { border-color: var(--second); border-top-style: dashed; }
figure.narrow { max-width: 480px; }
svg text { fill: var(--soft); font-size: 11px; font-family: inherit; } svg .grid-line { stroke: var(--line); }
svg .a { stroke: var(--accent); } svg .b { stroke: var(--second); stroke-dasharray: 5 3; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; } svg .fill { fill: var(--accent); }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
svg .thin { stroke-width: 1.2; stroke-opacity: .5; } svg .dot.soft { fill: var(--soft); fill-opacity: .75; }
svg text.named { fill: var(--ink); font-weight: 600; }
.cards { display: grid; gap: 18px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 200px), 1fr));
  margin-top: 14px; align-items: start; }
.cell { margin-top: 8px; font-size: 13px; } .cell > .soft { font-size: 12px; }
.cell img, .cell video { display: block; width: 100%; max-height: 220px; object-fit: contain; border-radius: 6px;
  background: var(--line); margin-top: 2px; image-rendering: auto; } .cell audio { width: 100%; margin-top: 2px; }
.words { margin: 2px 0 0; white-space: pre-line; max-height: 11em; overflow: auto; }
svg .span { stroke: var(--ink); stroke-width: 1.5; }
h3 { font-size: 15px; font-weight: 650; margin: 28px 0 0; }
ul.said { margin: 10px 0 0; padding-left: 20px; max-width: 82ch; }
ul.said li { margin: 3px 0; } figure + h3, .scroll + figure { margin-top: 20px; }
svg .dot { fill: var(--accent); } svg .guide { stroke: var(--soft); stroke-dasharray: 3 4; }
.matrix { width: auto; } .matrix th, .matrix td { border: 1px solid var(--bg); padding: 0; text-align: center;
  vertical-align: middle; } .matrix td { min-width: 44px; height: 34px;
  background: rgba(var(--heat), calc(var(--v) * .9 + .03)); }
.matrix td.on { color: var(--bg); } .matrix td.zero { color: transparent; } .matrix thead td { background: none; }
.matrix th { white-space: nowrap; min-width: 0; max-width: none; }
.matrix th span { display: block; overflow: hidden; text-overflow: ellipsis; }
.matrix tbody th { padding: 0 10px 0 0; text-align: right; }
.matrix tbody th span { max-width: 14em; margin-left: auto; }
.matrix thead th { padding: 4px; } .matrix thead th span { max-width: 7em; }
.matrix .tall th { vertical-align: bottom; }
.matrix .tall th span { writing-mode: vertical-rl; text-orientation: sideways; max-width: none;
  transform: rotate(180deg); max-height: 9.5em; text-align: left; margin: 0 auto; }
.matrix.many td { min-width: 28px; height: 26px; font-size: 11.5px; }
details { margin-top: 14px; } summary { cursor: pointer; color: var(--accent); }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px;
  font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; }
footer { margin-top: 64px; color: var(--soft); font-size: 12.5px; border-top: 1px solid var(--line);
  padding-top: 14px; }
@media (max-width: 560px) { body { padding: 24px 16px 48px; } h1 { font-size: 23px; } .verdict { padding: 16px 18px; }
  .verdict .lead { font-size: 17px; } section { margin-top: 40px; } tbody th { min-width: 7em; } }
@media print { :root { --bg: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc; --accent: #0b6e75;
  --second: #c2703d; --wash: #0b6e7514; --warn: #000; --warn-bg: #fff; --heat: 11, 110, 117; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 11px; } table { font-size: 10px; }
  td.n, th.n, thead th { white-space: normal; }
  section { margin-top: 28px; } h2, thead { break-after: avoid; } tr, figure, .verdict { break-inside: avoid; }
  .scroll { overflow: visible; } .skip { display: none; }
  thead th, .ci, .cell, .cell > .soft, figcaption, .soft { font-size: inherit; } .ci { font-size: 8.5px; }
  td, th { padding-right: 8px; } .tag { font-size: 9px; padding: 0 5px; }
  h1 { font-size: 20px; } h2, .verdict .lead { font-size: 14px; }
  .cards { grid-template-columns: repeat(4, 1fr); gap: 10px; }
  .cell img { max-height: 110px; } figure { padding: 10px; } .bar { min-width: 40px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const th = button.closest("th"), table = th.closest("table"), column = [...th.parentNode.children].indexOf(th);
  const down = th.getAttribute("aria-sort") !== "descending";
  for (const other of th.parentNode.children) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.children[column].dataset.v ?? row.children[column].textContent;
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const x = key(a), y = key(b);
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
    return down ? -order : order;
  });
  table.tBodies[0].append(...rows);
});
"""


def page(*, title: str, header: str, body: str, footer: str) -> str:
    """The whole document; every argument is HTML already.

    The content policy is a second wall behind escaping: the page may fetch nothing, and run no script but ours.
    """
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'"
    )
    return PAGE.format(policy=policy, title=title, style=STYLE, header=header, body=body, footer=footer, script=SCRIPT)
