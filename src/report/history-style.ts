/** The style of the history beyond that of every page. */
export const historyStyle = `
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.facts div { background: var(--box); border: 1px solid var(--line); border-radius: .375rem; padding: .6rem .8rem; min-width: 0; }
.facts dt { color: var(--soft); font-size: .875rem; } .facts dd { margin: 0; overflow-wrap: anywhere; }
.facts strong { display: block; font-size: 1.15rem; } .date { white-space: nowrap; } .facts .soft { font-size: .8125rem; display: block; }
.months { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1.25rem 2rem; }
.month { width: auto; table-layout: fixed; border-collapse: separate; border-spacing: 2px; }
.month caption { text-align: left; font-weight: 600; padding: .25rem 0; }
.month th { border: 0; padding: 0; text-align: center; font-weight: 400; font-size: .8125rem; color: var(--soft); }
.month td { border: 0; padding: 0; width: 2.75rem; height: 2.5rem; }
td.day, .legend .day { position: relative; border: 1px solid var(--line); border-radius: .25rem; font-size: .8125rem; }
.month td.day { padding: .1rem .25rem; }
.day .sign { position: absolute; right: .25rem; bottom: 0; font-size: 1rem; font-weight: 700; line-height: 1.3; }
.day .up { position: absolute; right: .3rem; top: .1rem; } .up { color: var(--down); font-weight: 700; }
.day.restore { background: var(--deep); border-color: var(--deep); color: var(--on-deep); } .day.restore .up { color: inherit; }
.day.contents { background: var(--mid); } .day.checksum { background: var(--light); }
.day.damaged, .day.failed, .day.missing { border: 2px solid var(--bad); color: var(--bad); font-weight: 700; }
.day.damaged { background: var(--bad); color: var(--ground); } .day.missing { border-style: dashed; }
.day.outside, .day.none { border-color: transparent; color: var(--soft); }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .4rem 1.25rem; font-size: .875rem; }
.legend .day { display: inline-block; width: 1.5rem; height: 1.5rem; vertical-align: middle; }
.legend .day .sign { right: 0; left: 0; text-align: center; line-height: 1.4; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem 1.5rem; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; font-size: .9375rem; }
.chart { display: block; width: 100%; height: auto; background: var(--box); border-radius: .25rem; }
.chart .line { fill: none; stroke: var(--bar); stroke-width: 2; vector-effect: non-scaling-stroke; }
.chart .dot { fill: var(--bar); } .chart .area { fill: var(--bar); opacity: .18; }
.chart .time { stroke: var(--down); stroke-dasharray: 4 3; }
.chart .grid { stroke: var(--line); } .chart text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.chart .ahead { stroke: var(--down); stroke-width: 2; stroke-dasharray: 5 4; fill: none; }
.key { font-size: .8125rem; color: var(--soft); margin: .15rem 0; }
.key .size { color: var(--bar); font-weight: 700; } .key .took { color: var(--down); font-weight: 700; }
.wide { overflow-x: auto; } .wide:focus-visible { outline: 2px solid var(--bar); }
.foretold { display: block; width: 100%; min-width: 8rem; height: 1.25rem; background: var(--box); }
.foretold .wanted { fill: none; stroke: var(--soft); stroke-width: 2; } .foretold .actual { fill: var(--down); }
:root { --deep: #116329; --on-deep: #fff; --mid: #aceebb; --light: #dafbe1; }
@media (prefers-color-scheme: dark) { :root { --deep: #56d364; --on-deep: #0d1117; --mid: #1a5c2b; --light: #12361d; } }
@media (max-width: 40rem) { .facts { grid-template-columns: 1fr; } .months { display: block; } .month { width: 100%; margin-bottom: 1rem; } .month td { width: auto; } }
@media print { .day, .foretold, .chart, rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .month, figure, .facts div { break-inside: avoid; } }
`.trimEnd();
