import Foundations
import Testing

@Suite struct TextTableTests {
  @Test func `a ruled table has its first column flush left and the others flush right`() {
    let table = TextTable(
      header: ["tag", "n"], rows: [["color", "7"], ["two", "12"]], footer: ["all", "19"])
    #expect(
      table.text == """
        tag      n
        ----------
        color    7
        two     12
        ----------
        all     19
        """)
  }

  @Test func `columns have their least width and a last one flush left is not padded`() {
    let table = TextTable(
      columns: [.left(4), .right(3), .left()], header: ["a", "b", "rest"],
      rows: [["longer", "1", "x"], [], ["c", "1234", "long text"]])
    #expect(
      table.text == """
        a          b  rest
        longer     1  x

        c       1234  long text
        """)
  }
}
