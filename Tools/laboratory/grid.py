"""The settings that are tried for a method."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """The settings that are tried for a method: the values of `keys`, one row a setting."""

    keys: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def values(self, setting: int) -> dict[str, str]:
        """Key -> value of a setting, counted from 0."""
        return dict(zip(self.keys, self.rows[setting], strict=True))

    def edges(self, setting: int, tried: int) -> list[str]:
        """The numeric keys whose value in this setting is the smallest or the largest of so many first rows."""
        found = []
        for column, key in enumerate(self.keys):
            values = sorted({float(row[column]) for row in self.rows[:tried] if is_number(row[column])})
            own = self.rows[setting][column]
            if len(values) > 1 and is_number(own) and float(own) in (values[0], values[-1]):
                found.append(key)
        return found

    def untuned(self, tried: int) -> list[str]:
        """`KEY = VALUE` of the keys that have one value in all of so many first rows."""
        columns = zip(self.keys, zip(*self.rows[:tried], strict=True), strict=True)
        return [
            f"{key} = {values[0]}" for key, values in columns if len({number_or_text(each) for each in values}) == 1
        ]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def number_or_text(text: str) -> float | str:
    return float(text) if is_number(text) else text
