/// Style of all pictures: colors as variables with a light and a dark value, and a class for each
/// part of a chart. Curves differ by color and by dashes, so they differ in print, too.
enum ChartStyle {
  /// Styles of curves, `s0` and following.
  static let count = 9

  /// Style sheet of a page that holds pictures.
  static let page: Markup = .fragment([.verbatim(variables), .verbatim(shapes)])

  /// Style sheet inside a standalone picture.
  static let standalone: Markup = .fragment([
    .verbatim(variables), .verbatim(shapes),
    .verbatim("svg{background:var(--page)}rect.page{fill:var(--page)}"),
  ])

  private static let variables: StaticString = """
    :root{color-scheme:light dark;--page:#ffffff;--card:#f5f7fa;--ink:#1c2430;--muted:#5a6675;\
    --rule:#dde3ea;--s0:#2360c5;--s1:#c4520a;--s2:#13805a;--s3:#8b3db8;--s4:#8a6a00;--s5:#5a6675;\
    --s6:#0b7a91;--s7:#b8336a;--s8:#7a4b2a;--good:#0f7b53;--bad:#c0392b;--even:#8a94a3}
    @media (prefers-color-scheme:dark){:root{--page:#12161c;--card:#1a2029;--ink:#e7ecf3;\
    --muted:#a0acbb;--rule:#303945;--s0:#78a9ff;--s1:#ff9d5c;--s2:#4fd0a0;--s3:#d59bf6;\
    --s4:#e3c04d;--s5:#a0acbb;--s6:#5cc8de;--s7:#f58ab5;--s8:#c79a78;\
    --good:#4fd0a0;--bad:#ff8a7a;--even:#8490a0}}
    @media print{:root{color-scheme:light;--page:#ffffff;--card:#ffffff;--ink:#000000;\
    --muted:#444444;--rule:#cccccc;--s0:#2360c5;--s1:#c4520a;--s2:#13805a;--s3:#8b3db8;\
    --s4:#8a6a00;--s5:#5a6675;--s6:#0b7a91;--s7:#b8336a;--s8:#7a4b2a;--good:#0f7b53;--bad:#c0392b;\
    --even:#8a94a3}}

    """

  private static let shapes: StaticString = """
    svg.picture{display:block;width:100%;height:auto;font:12px system-ui,-apple-system,"Segoe UI",\
    Roboto,"Noto Sans","DejaVu Sans",sans-serif}
    .picture text{fill:var(--ink);font-variant-numeric:tabular-nums}
    .picture .tick,.picture .unit,.picture .quiet{fill:var(--muted)}
    .picture .tick,.picture .quiet{font-size:11px}.picture .unit{font-size:11.5px}
    .grid{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--muted);stroke-width:1}
    .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
    .reference{stroke:var(--muted);stroke-width:1.2;stroke-dasharray:2 4}
    .error{stroke:currentColor;stroke-width:1.3;opacity:.75}.dot{fill:currentColor}
    .band{fill:currentColor;opacity:.14}
    .s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}\
    .s4{color:var(--s4)}.s5{color:var(--s5)}.s6{color:var(--s6)}.s7{color:var(--s7)}\
    .s8{color:var(--s8)}
    .line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1);stroke-dasharray:7 4}\
    .line.s2{stroke:var(--s2);stroke-dasharray:2 4}\
    .line.s3{stroke:var(--s3);stroke-dasharray:10 4 2 4}\
    .line.s4{stroke:var(--s4);stroke-dasharray:4 3}\
    .line.s5{stroke:var(--s5);stroke-dasharray:1 3}\
    .line.s6{stroke:var(--s6);stroke-dasharray:12 3}\
    .line.s7{stroke:var(--s7);stroke-dasharray:6 3 1 3}\
    .line.s8{stroke:var(--s8);stroke-dasharray:10 3 2 3 2 3}
    .fill0{fill:var(--s0)}.fill1{fill:var(--s1)}.fill2{fill:var(--s2)}.fill3{fill:var(--s3)}\
    .fill4{fill:var(--s4)}.fill5{fill:var(--s5)}.fill6{fill:var(--s6)}.fill7{fill:var(--s7)}\
    .fill8{fill:var(--s8)}
    .before{fill:var(--even)}.after{fill:var(--s0)}
    .good{color:var(--good)}.bad{color:var(--bad)}.even{color:var(--even)}
    .trunk{stroke:var(--muted);stroke-width:3;stroke-linecap:round}
    .node{fill:var(--page);stroke:var(--muted);stroke-width:3}
    .twig{fill:none;stroke:currentColor;stroke-width:1.6;opacity:.8}
    .frame{fill:none;stroke:currentColor;stroke-width:2.5}
    .missing{fill:none;stroke:var(--muted);stroke-dasharray:3 3}
    .picture .score{fill:currentColor;font-size:11px;font-weight:600}

    """
}
