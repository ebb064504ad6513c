/// The report page's style sheet: one column that widens to two for charts, large numbers on top,
/// readable on a phone and on paper.
package enum PageStyle {
  /// The whole sheet, that of the pictures included.
  package static let sheet: Markup = .fragment([
    ChartStyle.page, .verbatim(text), .verbatim(pictures),
  ])

  private static let text: StaticString = """
    *{box-sizing:border-box}
    body{margin:0;background:var(--page);color:var(--ink);\
    font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
    main,header,footer{max-width:1080px;margin:0 auto;padding:0 20px}
    header{padding-top:36px}footer{padding-top:24px;padding-bottom:48px;color:var(--muted);\
    font-size:14px}
    h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em;overflow-wrap:anywhere}
    h2{font-size:21px;margin:52px 0 6px;padding-top:18px;border-top:1px solid var(--rule)}
    h3{font-size:16px;margin:26px 0 6px}
    p{margin:8px 0;max-width:72ch}.quiet{color:var(--muted)}
    .notice{background:var(--card);border-left:4px solid var(--s1);padding:10px 16px;\
    border-radius:0 6px 6px 0;margin:16px 0;max-width:none}
    .cards{display:flex;flex-wrap:wrap;gap:14px;margin:24px 0 14px;padding:0;list-style:none}
    .cards li{background:var(--card);border:1px solid var(--rule);border-radius:10px;\
    padding:14px 18px;flex:1 1 150px}
    .cards li.lead{flex:2 1 310px}
    .cards .what{display:block;color:var(--muted);font-size:13.5px}
    .cards .much{display:block;font-size:23px;white-space:nowrap;font-weight:650;line-height:1.3;\
    font-variant-numeric:tabular-nums;letter-spacing:-.01em}
    .cards .lead .much{font-size:34px}.cards .more{color:var(--muted);font-size:13.5px}
    .rise{color:var(--good)}.fall{color:var(--bad)}
    table{border-collapse:collapse;font-size:14.5px;font-variant-numeric:tabular-nums}
    caption{text-align:left;color:var(--muted);font-size:13.5px;padding:4px 0}
    th,td{padding:5px 14px 5px 0;text-align:right;border-bottom:1px solid var(--rule);\
    white-space:nowrap}
    th:first-child,td:first-child{text-align:left}
    thead th{color:var(--muted);font-weight:600}tbody th{font-weight:500}
    tr.total th,tr.total td{font-weight:650;border-top:2px solid var(--muted);border-bottom:0}
    .scroll{overflow-x:auto;max-width:100%}
    .scroll:focus-visible,summary:focus-visible{outline:2px solid var(--s0);outline-offset:2px}
    pre{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:14px 16px;\
    overflow-x:auto;font:13px/1.5 ui-monospace,"SF Mono","DejaVu Sans Mono",monospace}
    dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;font-size:14.5px}
    dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
    summary{cursor:pointer;color:var(--muted);font-size:13.5px;padding:4px 0}
    nav{margin:14px 0 0;font-size:14px;display:flex;flex-wrap:wrap;gap:4px 16px}
    nav a{color:var(--s0);text-decoration:none}nav a:hover{text-decoration:underline}

    """

  private static let pictures: StaticString = """
    figure{margin:16px 0 8px}figcaption{font-weight:600;font-size:15px;margin:0 0 8px}
    .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));\
    gap:10px 36px}
    .picture .name{font-size:12.5px}.picture .onfill{fill:var(--page);font-size:15px;\
    font-weight:600}
    .swatch{width:12px;height:12px;margin-right:9px;vertical-align:-1px}
    .samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:20px 18px;\
    margin:16px 0;padding:0;list-style:none}
    .samples li{break-inside:avoid}
    .pair,.triple{display:grid;grid-template-columns:1fr 1fr;gap:6px}
    .triple{grid-template-columns:1fr 1fr 1fr}
    .pair div,.triple div{position:relative}
    .pair img,.triple img{width:100%;height:auto;display:block;border-radius:5px;\
    border:1px solid var(--rule);image-rendering:pixelated}
    .pair .mark,.triple .mark{font-size:12.5px;color:var(--muted);display:flex;\
    justify-content:space-between}
    .samples.large{grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr))}
    .large img{image-rendering:auto}
    .mark b{font-weight:700;font-size:15px;line-height:1.3}
    .mark .good{color:var(--good)}.mark .bad{color:var(--bad)}
    .samples p{font-size:13.5px;line-height:1.4;margin:5px 0 0}
    .absent{aspect-ratio:1;border:1px dashed var(--muted);border-radius:5px;color:var(--muted);\
    font-size:12.5px;display:grid;place-items:center;text-align:center}
    @media (max-width:520px){body{font-size:15px}main,header,footer{padding:0 14px}\
    header{padding-top:22px}h1{font-size:24px}.cards{gap:10px}\
    .cards li{padding:11px 13px;flex-basis:40%}.cards li.lead{flex-basis:100%}\
    .cards .much{font-size:20px}.cards .lead .much{font-size:27px}\
    .samples{grid-template-columns:1fr 1fr;gap:16px 14px}\
    .samples.large{grid-template-columns:1fr}dl{grid-template-columns:1fr}\
    dt{margin-top:6px}table{font-size:13px}th,td{padding-right:9px}}
    @media print{body{font-size:11pt}main,header,footer{max-width:none;padding:0}\
    h2{break-after:avoid}figure,table,.cards li{break-inside:avoid}\
    .charts{grid-template-columns:repeat(2,minmax(0,1fr));gap:6px 28px}\
    .samples{grid-template-columns:repeat(5,1fr)}\
    .samples.large{grid-template-columns:repeat(2,1fr)}\
    h2{margin-top:30px}.tree{min-width:0!important}\
    .scroll{overflow:visible}\
    pre{white-space:pre-wrap}nav,details{display:none}\
    *{-webkit-print-color-adjust:exact;print-color-adjust:exact}}

    """
}
