import { markup } from './markup.js'

/**
 * The page's only style sheet. System fonts, nothing from elsewhere. The three latencies keep their colours in all
 * charts; the pairs within one chart differ in stroke too, so that print and colour-blind eyes can tell them.
 */
export const STYLE = markup`
:root {
  color-scheme: light dark;
  --page: #ffffff; --card: #f8f9fb; --ink: #16181d; --soft: #5b6270; --line: #dfe2e8; --grid: #e6e8ed;
  --ttft: #2563eb; --itl: #b45309; --e2e: #0f766e; --rate: #2563eb; --tokens: #7c3aed; --open: #475569;
  --good: #15803d; --failed: #c81e1e; --band: rgb(100 116 139 / .13); --hover: rgb(37 99 235 / .12);
  --alarm: #b42318; --alarm-ink: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101216; --card: #181b21; --ink: #e8eaee; --soft: #9aa3b2; --line: #2d323b; --grid: #272b33;
    --ttft: #7aa8ff; --itl: #f2ab4b; --e2e: #3fc9b6; --rate: #7aa8ff; --tokens: #b794f6; --open: #a5b1c4;
    --good: #5fd38a; --failed: #ff7b72; --band: rgb(148 163 184 / .14); --hover: rgb(122 168 255 / .18);
    --alarm: #8f1d14; --alarm-ink: #ffffff;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 48px; max-width: 1180px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 24px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 32px 0 10px; }
p { margin: 6px 0; }
.soft, .note { color: var(--soft); }
.note { font-size: 13px; max-width: 90ch; }
.banner { background: var(--alarm); color: var(--alarm-ink); border-radius: 8px; padding: 12px 16px; margin: 16px 0 0;
  font-size: 16px; overflow-wrap: anywhere; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.banner strong { display: block; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 18px 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.tile dt { color: var(--soft); font-size: 13px; }
.tile dd { margin: 0; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile dd small { font-size: 13px; font-weight: 400; color: var(--soft); }
.tile dd.bad { color: var(--failed); }
.finding { font-size: 17px; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px 16px; margin: 16px 0 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding: 0 0 4px; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; }
thead th { color: var(--soft); font-size: 13px; white-space: nowrap; }
th:first-child, td.text, th.text { text-align: left; }
td.text { overflow-wrap: anywhere; }
td { white-space: nowrap; }
td.text { white-space: pre-wrap; }
tr.answer { background: var(--card); font-weight: 600; }
td.bad { color: var(--failed); }
td.good { color: var(--good); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 20px 28px; }
.columns > * { min-width: 0; }
.facts th { color: var(--soft); font-weight: 400; white-space: nowrap; }
.facts td { text-align: left; white-space: pre-wrap; overflow-wrap: anywhere; }
.facts td, .facts th { padding: 3px 10px 3px 0; }
figure.chart { margin: 0 0 4px; break-inside: avoid; }
figcaption { display: flex; flex-wrap: wrap; gap: 2px 18px; align-items: baseline; font-size: 14px; margin: 0 0 2px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px; color: var(--soft); }
.legend > span { display: inline-flex; align-items: center; gap: 5px; }
figure.chart > svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--soft); }
svg .tick { font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--grid); }
svg .axis { stroke: var(--soft); }
svg .cut { stroke: var(--soft); stroke-dasharray: 1 4; }
svg .band { fill: var(--band); }
svg .hover { fill: transparent; }
svg .hover:hover { fill: var(--hover); }
svg .line { fill: none; stroke: var(--tone); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
svg .line.dashed { stroke-dasharray: 5 4; stroke-linecap: butt; }
svg .dot { fill: var(--tone); }
svg .dots .dot { fill-opacity: .65; }
.dashed .dot { fill: var(--page); stroke: var(--tone); stroke-width: 1.6; }
svg .limit { stroke: var(--tone); stroke-width: 1.2; stroke-dasharray: 9 4; opacity: .75; }
svg .limit-label { fill: var(--tone); }
.tone-ttft { --tone: var(--ttft); } .tone-itl { --tone: var(--itl); } .tone-e2e { --tone: var(--e2e); }
.tone-rate { --tone: var(--rate); } .tone-tokens { --tone: var(--tokens); } .tone-open { --tone: var(--open); }
.tone-good { --tone: var(--good); } .tone-failed { --tone: var(--failed); }
details { margin: 14px 0; }
summary { cursor: pointer; color: var(--soft); }
details .finding { font-size: 17px; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px 16px; margin: 16px 0 0; overflow-wrap: anywhere; }
.scroll { max-height: 480px; overflow-y: auto; }
@media print {
  body { max-width: none; padding: 0; font-size: 12px; }
  h2, figcaption { break-after: avoid; }
  tr, .tile, .banner { break-inside: avoid; }
  .columns { grid-template-columns: 1fr 1fr; }
}
`
