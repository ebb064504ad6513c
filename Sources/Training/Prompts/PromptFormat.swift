internal import Foundation
internal import Foundations

/// Reads a file of prompts; the format follows from its content and the ending of its name.
///
/// | content | ending |
/// |---|---|
/// | one JSON value: a list of texts or objects | any but `.csv`, `.tsv` |
/// | JSON lines: an object or a text each | any but `.csv`, `.tsv` |
/// | a heading and rows, separated by `,` or tabs | `.csv`, `.tsv` |
/// | one prompt a line | any but those above and `.json`, `.jsonl`, `.ndjson` |
///
/// An ambiguous file is refused: otherwise a heading or a line of JSON would be trained on as a
/// prompt without a warning.
enum PromptFormat {
  static let malformedObject =
    "not a prompt; each line is one JSON object with \"prompt\": text and optionally \"tag\": text"

  private static let json = ["json", "jsonl", "ndjson"]
  /// Formats that could be mistaken for lines of text.
  private static let unread = ["yaml", "yml", "toml", "xml", "html", "md"]

  /// The rows of a file.
  ///
  /// - Parameter ending: of the file's name, without the point.
  static func rows(_ file: [UInt8], ending: String) throws(PromptRow.Fault) -> [PromptRow] {
    let ending = ending.lowercased()
    if unread.contains(ending) {
      throw .init(
        nil,
        "a .\(ending) file is not read as prompts; write one prompt a line (.txt), JSON lines "
          + "(.jsonl) or a table with a column \"prompt\" (.csv)")
    }
    let bytes = file.starts(with: [0xEF, 0xBB, 0xBF]) ? file[3...] : file[...]
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw .init(nil, "cannot be read as UTF-8 text; save it in that encoding")
    }
    switch ending {
    case "csv": return try PromptTable.rows(text, separator: ",")
    case "tsv": return try PromptTable.rows(text, separator: "\t")
    default: break
    }
    let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    if first == UInt8(ascii: "["), let rows = try list(bytes, isJSON: json.contains(ending)) {
      return rows
    }
    let lines = lines(bytes)
    if json.contains(ending) { return try objects(lines) }
    return try texts(lines)
  }

  /// The nonempty lines, numbered from 1. Only `\n` ends a line; Swift's own lines end at other
  /// characters as well.
  private static func lines(_ bytes: ArraySlice<UInt8>) -> [(number: Int, text: String)] {
    bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated().compactMap {
      let text = String(decoding: $1, as: UTF8.self)
        .trimmingCharacters(in: .whitespaces.union(.newlines))
      return text.isEmpty ? nil : ($0 + 1, text)
    }
  }

  /// Reads a JSON list of texts or objects; nil if the text is not one.
  ///
  /// - Parameter isJSON: the file must be JSON, so a malformed list is an error.
  private static func list(
    _ bytes: ArraySlice<UInt8>, isJSON: Bool
  ) throws(PromptRow.Fault) -> [PromptRow]? {
    let items: [(offset: Int, value: JSONValue)]
    do throws(JSONParser.Failure) {
      items = try JSONParser.items(bytes)
    } catch {
      guard isJSON else { return nil }
      let line = bytes[..<min(error.offset, bytes.endIndex)].count { $0 == 0x0A } + 1
      throw .init(line, "not valid JSON (\(error.reason)); a list of prompts is [\"a\", \"b\"]")
    }
    var rows: [PromptRow] = []
    var (line, position) = (1, bytes.startIndex)
    for item in items {
      line += bytes[position..<item.offset].count { $0 == 0x0A }
      position = item.offset
      rows.append(try row(item.value, line: line))
    }
    return rows
  }

  /// JSON lines.
  private static func objects(
    _ lines: [(number: Int, text: String)]
  ) throws(PromptRow.Fault) -> [PromptRow] {
    var rows: [PromptRow] = []
    for line in lines {
      guard let value = parsed(line.text) else { throw .init(line.number, malformedObject) }
      rows.append(try row(value, line: line.number))
    }
    return rows
  }

  private static func row(_ value: JSONValue, line: Int) throws(PromptRow.Fault) -> PromptRow {
    if let text = value.string { return try PromptRow(line: line, text: text) }
    guard let members = value.members else { throw .init(line, malformedObject) }
    return try PromptRow(line: line, members: members)
  }

  /// One prompt a line, or JSON lines when every line is an object.
  private static func texts(
    _ lines: [(number: Int, text: String)]
  ) throws(PromptRow.Fault) -> [PromptRow] {
    if !lines.isEmpty, lines.allSatisfy({ parsed($0.text)?.members != nil }) {
      return try objects(lines)
    }
    if let first = lines.first { try checkHeading(first) }
    if lines.count > 1, lines.allSatisfy({ $0.text.wholeMatch(of: /".*",?/) != nil }) {
      throw .init(
        lines[0].number,
        "found every line in quotes, which would belong to the prompts; remove "
          + "them, or name a file of JSON .json or .jsonl and a table .csv")
    }
    var rows: [PromptRow] = []
    for line in lines {
      if line.text.unicodeScalars.contains("\r") {
        throw .init(
          line.number,
          "found lines that end with a carriage return alone; save the file with "
            + "line feeds")
      }
      if looksLikeJSON(line.text) {
        throw .init(
          line.number,
          "found JSON among lines of text (\(line.text.prefix(40))); name a file of "
            + "JSON .json or .jsonl, or write one prompt a line")
      }
      rows.append(try PromptRow(line: line.number, text: line.text))
    }
    return rows
  }

  /// Whether a line looks like JSON: no prompt is a lone bracket or begins an object or a list of
  /// texts. `{red|blue} circle` and `[a fox]` are prompts.
  private static func looksLikeJSON(_ line: String) -> Bool {
    if line.wholeMatch(of: /[\[\]{},]+/) != nil || line.hasPrefix("[\"") { return true }
    if line.prefixMatch(of: /\{\s*"[^"]*"\s*:/) != nil { return true }
    return parsed(line)?.members != nil
  }

  /// Refuses a first line that may be the heading of a table.
  private static func checkHeading(
    _ line: (number: Int, text: String)
  ) throws(PromptRow.Fault) {
    let cells = line.text.split(separator: /[,;\t|]/).map {
      $0.trimmingCharacters(in: .whitespaces.union(["\""]))
    }
    let isHeading =
      cells.contains(where: PromptRow.isPromptKey)
      && cells.allSatisfy { $0.wholeMatch(of: /[\w .\-]{0,40}/) != nil }
    guard isHeading else { return }
    throw .init(
      line.number,
      "found \"\(line.text.prefix(60))\", which may be a table's heading or a prompt; "
        + "name a table .csv or .tsv, or remove the line")
  }

  private static func parsed(_ text: String) -> JSONValue? {
    do throws(JSONParser.Failure) {
      return try JSONParser.parse(Array(text.utf8)[...])
    } catch {
      return nil
    }
  }
}
