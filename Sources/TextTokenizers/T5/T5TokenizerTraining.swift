import Foundations

extension T5Tokenizer {
  /// A tokenizer of the words of `texts`: T5's special tokens, every word, and as single characters
  /// those of the texts and of printable ASCII.
  ///
  /// A word of the texts is one token. Another word is its longest beginning that is a word of the
  /// texts, then single characters; a character without a token is `<unk>`. There is no table of
  /// replacements, so texts are not normalized.
  ///
  /// - Parameter modelMaxLength: the number of tokens, the end included, to which transformers
  ///   truncates unless given another; at least 1.
  public init(
    trainedOn texts: some Sequence<String>, modelMaxLength: Int
  ) throws(TokenizerError) {
    precondition(modelMaxLength >= 1, "a prompt has at least an end")
    let split = try PreTokenizer(
      JSONField(value: preTokenizer, path: T5TokenizerFiles.tokenizer, key: "pre_tokenizer"))
    let words = texts.lazy.flatMap { text in
      split(TextPiece(text: Array(text.unicodeScalars), beginsPrompt: true)).map(\.text)
    }
    let vocabulary = TrainedUnigramVocabulary(special: special, words: words)
    try self.init(
      T5TokenizerFiles(
        tokenizer: tokenizerFile(vocabulary), configuration: configurationFile(modelMaxLength)))
  }
}

/// T5's special tokens, by id.
private let special = ["<pad>", "</s>", "<unk>"]
private let (padID, endID, unknownID) = (0, 1, 2)

private func configurationFile(_ modelMaxLength: Int) -> JSONValue {
  [
    "tokenizer_class": "T5Tokenizer", "model_max_length": .int(modelMaxLength), "extra_ids": 0,
    "eos_token": .string(special[endID]), "pad_token": .string(special[padID]),
    "unk_token": .string(special[unknownID]),
  ]
}

private func tokenizerFile(_ vocabulary: TrainedUnigramVocabulary) -> JSONValue {
  let model: JSONValue = [
    "type": "Unigram", "unk_id": .int(unknownID),
    "vocab": .array(
      vocabulary.tokens.map { .array([.string(String($0.text)), .double($0.score)]) }),
    "byte_fallback": false,
  ]
  return [
    "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": addedTokens,
    "normalizer": nil, "pre_tokenizer": preTokenizer, "post_processor": postProcessor,
    "decoder": metaspace, "model": model,
  ]
}

private let addedTokens = JSONValue.array(
  special.enumerated().map { id, name in
    [
      "id": .int(id), "content": .string(name), "single_word": false, "lstrip": false,
      "rstrip": false, "normalized": false, "special": true,
    ]
  })

private let metaspace: JSONValue = [
  "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true,
]

private let preTokenizer: JSONValue = [
  "type": "Sequence", "pretokenizers": [["type": "WhitespaceSplit"], metaspace],
]

/// Ends a prompt, and each of a pair of prompts.
private let postProcessor: JSONValue = {
  func item(_ kind: String, _ id: String) -> JSONValue {
    .object([JSONValue.Member(kind, ["id": .string(id), "type_id": 0])])
  }
  let name = special[endID]
  let (first, second, end) = (
    item("Sequence", "A"), item("Sequence", "B"), item("SpecialToken", name)
  )
  let token: JSONValue = ["id": .string(name), "ids": [.int(endID)], "tokens": [.string(name)]]
  return [
    "type": "TemplateProcessing", "single": [first, end], "pair": [first, end, second, end],
    "special_tokens": .object([JSONValue.Member(name, token)]),
  ]
}()
