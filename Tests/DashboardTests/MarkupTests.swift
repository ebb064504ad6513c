import Dashboard
import Testing

struct MarkupTests {
  @Test func `text and attribute values are escaped`() {
    let hostile = "<script>alert(\"x\")</script> & 'quoted'"
    let page = element("p", ["title": hostile]) { hostile }.rendered()
    let escaped =
      "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;quoted&#39;"
    #expect(page == "<p title=\"\(escaped)\">\(escaped)</p>\n")
  }

  @Test func `control characters are replaced, line breaks kept`() {
    #expect(Markup.escaped("a\u{0}b\u{1B}c\r\nd\te") == "a\u{FFFD}b\u{FFFD}c\n\nd\te")
  }

  @Test func `only void elements and shapes are written without a closing tag`() {
    #expect(element("br").rendered() == "<br/>")
    #expect(element("line", ["x1": "0"]).rendered() == "<line x1=\"0\"/>")
    #expect(element("span").rendered() == "<span></span>")
  }
}
