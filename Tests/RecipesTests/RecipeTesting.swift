import Recipes

/// Reads a text as the recipe `r.yaml` in the folder `/recipes`.
func read<Settings>(
  _ text: String, set overrides: [String] = [], _ body: (RecipeSection) -> Settings
) throws(RecipeError) -> Recipe<Settings> {
  let document = try RecipeDocument(
    text: text, name: "r.yaml", folder: "/recipes", overrides: overrides, currentFolder: "/current")
  return try document.read(body)
}

/// The error lines of reading a text; empty when there are none.
func problems(
  _ text: String, set overrides: [String] = [], _ body: (RecipeSection) -> Void
) -> [String] {
  do throws(RecipeError) {
    _ = try read(text, set: overrides, body)
    return []
  } catch {
    return error.issues.map(\.description)
  }
}

enum Fruit: String, CaseIterable {
  case apple, pear
  case darkCherry = "dark_cherry"
}
