/** The style of the page: no external fonts, images or scripts; light or dark like the reader's system. */
export const pageStyle = `
:root { color-scheme: light dark; --text: #1c2128; --soft: #57606a; --line: #d0d7de; --ground: #fff; --box: #f6f8fa;
  --good: #116329; --bad: #a40e26; --bar: #0969da; --down: #bc4c00; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9aa4af; --line: #3d444d; --ground: #0d1117;
  --box: #161b22; --good: #56d364; --bad: #ff7b72; --bar: #58a6ff; --down: #f0883e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 64rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h1.good { color: var(--good); } h1.bad { color: var(--bad); }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; } .soft, footer { color: var(--soft); } footer { padding: 2rem 1.25rem; font-size: .875rem; }
.why { border-left: .25rem solid var(--bad); padding: .25rem 1rem; margin: 1rem 0; background: var(--box); }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th { font-weight: 600; } td.number, th.number, td.name, th.name { white-space: nowrap; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td code { overflow-wrap: anywhere; } .bands th.name { font-weight: 400; } .bands tr.down th.name { font-weight: 600; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.pass { color: var(--good); } .fail, .unverifiable { color: var(--bad); font-weight: 600; }
pre { background: var(--box); border: 1px solid var(--line); border-radius: .375rem; padding: .75rem; overflow-x: auto; font: .8125rem/1.45 ui-monospace, monospace; }
.why pre { white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: .875em ui-monospace, monospace; }
td.track, th.track { width: 50%; padding-right: 0; }
.track svg { display: block; width: 100%; height: 1rem; background: var(--box); }
.track rect { fill: var(--bar); } tr.down rect { fill: var(--down); } tr.down { color: var(--down); font-weight: 600; }
details { margin: .5rem 0; } summary { cursor: pointer; }
summary:focus-visible, pre:focus-visible { outline: 2px solid var(--bar); outline-offset: 2px; }
@media (max-width: 40rem) {
  .rows thead { position: absolute; display: block; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .rows tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .rows td { display: flex; gap: .75rem; padding: .1rem 0; border: 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }
  .rows td:empty { display: none; }
  .rows td::before { content: attr(data-label); flex: 0 0 6rem; color: var(--soft); }
  .bands tr { display: grid; grid-template-columns: 1fr auto 5rem; border-bottom: 1px solid var(--line); padding: .25rem 0; }
  .bands th, .bands td { border: 0; padding: 0 0 0 .5rem; } .bands th:first-child { padding-left: 0; }
  .bands .track { grid-column: 1 / -1; width: auto; padding: 0; } .bands thead .track { display: none; } .track svg { height: .6rem; }
}
@media print {
  body { font-size: 11pt; } main, header, footer { max-width: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; } tr, .why { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; } summary { list-style: none; }
}
`.trim();
