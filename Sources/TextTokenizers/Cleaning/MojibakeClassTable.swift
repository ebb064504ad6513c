// Made by Tools/fixtures/text_cleaning_tables.py.

extension MojibakeClass {
  /// The scalars of each class, in hexadecimal. The classification is that of ftfy
  /// 6.3.1 (Apache License 2.0).
  static let table: [(MojibakeClass, String)] = [
    (
      .common,
      """
      A0 AD B4 B7 2013-2015 2019 2026
      """
    ),
    (
      .c1,
      """
      80-9F
      """
    ),
    (
      .bad,
      """
      A4 A6 A8 AA AC AF B8 BA 192 2C6-2C7 2D8 2DB-2DC 2020-2021 2030 2310 25CA FFFD
      """
    ),
    (
      .law,
      """
      A7 B6
      """
    ),
    (
      .currency,
      """
      A2-A3 A5 20A7 20AC
      """
    ),
    (
      .startPunctuation,
      """
      A1 A9 AB BF 384-385 2018 201A 201C 201E 2022 2039 F8FF
      """
    ),
    (
      .endPunctuation,
      """
      AE BB 2DD 201D 203A 2122
      """
    ),
    (
      .numeric,
      """
      B1-B3 B5 B9 BC-BE D7 F7 2044 2116 2202 2206 220F 2211 221A 221E 2229 222B 2248 2260-2261
      2264-2265
      """
    ),
    (
      .kaomoji,
      """
      B0 D2-D6 D9-DC F2-F6 F8-FC 14C 150 16A 172
      """
    ),
    (
      .upperAccented,
      """
      C0-D1 D8 DC-DD 100 102 104 106 10C 10E 110 112 116 118 11A 11E 122 12A 130 136 139 13B 13D
      141 143 145 147 152 158 15A 15E 160 162 164 16E 170 178-179 17B 17D 490
      """
    ),
    (
      .lowerAccented,
      """
      DF-F1 FC 101 103 105 107 10D 10F 111 113 117 119 11B 11F 123 12B 12F 137 13A 13C 13E 142 153
      155 15B 15F 161 165 17A 17C 17E 491 FB01-FB02
      """
    ),
    (
      .upperCommon,
      """
      DE 386 388-38A 38C 38E-38F 391-3AB 401-42F
      """
    ),
    (
      .lowerCommon,
      """
      3AC-3C9 430-45F
      """
    ),
    (
      .box,
      """
      2502 250C 2510 2518 251C 2524 252C 253C 2550-256C 2580 2584 2588 258C 2590-2593
      """
    ),
  ]
}
