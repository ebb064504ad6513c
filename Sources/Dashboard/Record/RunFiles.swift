import Foundation
import Foundations
import ImageFiles
import Runs

/// Reading the files of a run, with errors that name them.
enum RunFiles {
  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// A text file; bytes that are not UTF-8 become U+FFFD.
  static func text(_ path: String) throws(ReportError) -> String {
    String(decoding: try bytes(path), as: UTF8.self)
  }

  static func bytes(_ path: String) throws(ReportError) -> [UInt8] {
    do { return try AtomicFile.read(path) } catch { throw .run(.file(error)) }
  }

  /// A JSON file; nil if it does not exist.
  static func record<Record: Decodable>(
    _ type: Record.Type, _ path: String
  ) throws(ReportError) -> Record? {
    guard exists(path) else { return nil }
    let bytes = try bytes(path)
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch let error as DecodingError {
      throw .record(path: path, reason: reason(error))
    } catch {
      throw .record(path: path, reason: "\(error)")
    }
  }

  /// A PNG file as a data URI; nil if it does not exist.
  static func link(_ path: String) throws(ReportError) -> String? {
    guard exists(path) else { return nil }
    let bytes = try bytes(path)
    do { _ = try PNG.decode(bytes, path: path) } catch { throw .image(error) }
    return DataLink.png(bytes)
  }

  private static func reason(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, let context):
      "\"\(place(context, key))\" is missing"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      "\"\(place(context))\" should be \(type)"
    case .dataCorrupted(let context):
      context.codingPath.isEmpty
        ? "it is not valid JSON" : "\"\(place(context))\" cannot be read"
    @unknown default: "\(error)"
    }
  }

  private static func place(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil)
    -> String
  {
    (context.codingPath + (key.map { [$0] } ?? []))
      .map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
  }
}
