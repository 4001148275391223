"""MovieLens-100k as Arrow columns: ratings joined with films and people."""

import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from clickwright.schemas.errors import DataError

FIRST_CLICK = 4
"""Stars from which a rating counts as a click."""
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime",
    "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery",
    "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The flags of `u.item`, in the order of its columns."""

_HOUR, _DAY = 3600, 86_400
_FIRST_WEEKDAY = 3
"""1 January 1970 was a Thursday; Monday is 0."""


def read_original(folder: pathlib.Path) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Reads `u.data`, `u.item`, `u.user` as GroupLens publishes them.

    Returns:
        Ratings (user, item, rating, timestamp), films (item, title with the year in
        parentheses, genres), people (user, age, gender, occupation, zip_code).
    """
    ratings = _read(
        folder / "u.data",
        "\t",
        {name: pa.int64() for name in ("user", "item", "rating", "timestamp")},
    )
    films = _read(
        folder / "u.item",
        "|",
        {"item": pa.int64(), "title": pa.string()}
        | {name: pa.string() for name in ("released", "video_released", "link")}
        | {name: pa.int64() for name in GENRES},
    )
    flags = np.stack(
        [films[genre].to_numpy() for genre in GENRES], axis=1
    )  # [films, 19]
    lengths = flags.sum(axis=1)
    genres = pa.ListArray.from_arrays(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        pa.array(GENRES).take(pa.array(np.nonzero(flags)[1])),
    )
    films = films.select(["item", "title"]).append_column("genres", genres)
    people = _read(folder / "u.user", "|", _PERSON)
    return ratings, films, people


def read_atomic(folder: pathlib.Path) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Reads `ml-100k.inter`, `.item`, `.user` (RecBole's atomic files).

    Returns:
        The same tables as `read_original`.
    """
    ratings = _read(
        folder / "ml-100k.inter",
        "\t",
        {name: pa.int64() for name in ("user", "item", "rating", "timestamp")},
        header=True,
    )
    films = _read(
        folder / "ml-100k.item",
        "\t",
        {"item": pa.int64()} | {n: pa.string() for n in ("title", "year", "genres")},
        header=True,
    )
    title = pc.binary_join_element_wise(films["title"], films["year"], " (")
    films = pa.table(
        {
            "item": films["item"],
            "title": pc.binary_join_element_wise(title, "", ")"),
            "genres": pc.split_pattern(films["genres"], " "),
        }
    )
    people = _read(folder / "ml-100k.user", "\t", _PERSON, header=True)
    return ratings, films, people


def click_log(
    ratings: pa.Table, films: pa.Table, people: pa.Table, history_length: int
) -> pa.Table:
    """Returns the columns of the feature spec, one row a rating, in order of time.

    Raises:
        DataError: a rating names a film or a person that the other tables lack.
    """
    order = _order(ratings, ("timestamp", "user", "item"))
    ratings = ratings.take(pa.array(order))
    user, item, time = (
        ratings[name].to_numpy() for name in ("user", "item", "timestamp")
    )
    clicked = ratings["rating"].to_numpy() >= FIRST_CLICK
    person = _joined(ratings, people, "user")
    film = _joined(ratings, films, "item")
    year = pc.struct_field(
        # Greedy: the last parentheses hold the year, the first may be a subtitle.
        pc.extract_regex(film["title"], r"^.*\((?P<year>\d{4})\)"),
        "year",
    )
    return pa.table(
        {
            "click": clicked.astype(np.int64),
            "user": user,
            "age": person["age"],
            "gender": person["gender"],
            "occupation": person["occupation"],
            "region": pc.utf8_slice_codeunits(person["zip_code"], 0, 1),
            "history": history(user, item, time, clicked, history_length),
            "item": item,
            "genres": film["genres"],
            "release_year": pc.cast(year, pa.int64()),
            "hour": time // _HOUR % 24,
            "weekday": (time // _DAY + _FIRST_WEEKDAY) % 7,
            "timestamp": time,
        }
    )


def history(
    user: np.ndarray,
    item: np.ndarray,
    time: np.ndarray,
    clicked: np.ndarray,
    length: int,
) -> pa.ListArray:
    """Returns the items that each row's user had clicked before the row, oldest first.

    Only clicks of an earlier second count: several ratings can bear one timestamp,
    and which of them came first is not known.

    Args:
        user: int64 [rows].
        item: int64 [rows].
        time: int64 [rows], seconds.
        clicked: bool [rows].
        length: the latest this many are kept.
    """
    rows = len(user)
    order = np.lexsort((item, time, user))
    user, item, time, clicked = (x[order] for x in (user, item, time, clicked))
    clicks_before = np.concatenate([[0], np.cumsum(clicked)])  # [rows + 1]
    new_user = np.concatenate([[True], user[1:] != user[:-1]])
    new_second = new_user | np.concatenate([[True], time[1:] != time[:-1]])
    # For each row: the clicks before its second, from its user's first on.
    end = clicks_before[_last_true(new_second)]
    start = np.maximum(clicks_before[_last_true(new_user)], end - length)
    by_row = np.empty(rows, np.int64)
    by_row[order] = np.arange(rows)
    start, end = start[by_row], end[by_row]
    offsets = np.concatenate([[0], np.cumsum(end - start)])
    picked = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], end - start)
    return pa.ListArray.from_arrays(offsets.astype(np.int32), item[clicked][picked])


_PERSON = {
    "user": pa.int64(),
    "age": pa.int64(),
    "gender": pa.string(),
    "occupation": pa.string(),
    "zip_code": pa.string(),
}


def _read(
    path: pathlib.Path,
    delimiter: str,
    types: dict[str, pa.DataType],
    header: bool = False,
) -> pa.Table:
    try:
        return pyarrow.csv.read_csv(
            path,
            # u.item is Latin-1; of the titles, UTF-8 in `.item`, only the year is used.
            read_options=pyarrow.csv.ReadOptions(
                column_names=list(types), skip_rows=int(header), encoding="latin-1"
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, quote_char=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            f"Not the columns {', '.join(types)}: {error}.",
            where=str(path),
            fix="fetch the file again with `clickwright data get movielens`",
        ) from error


def _joined(ratings: pa.Table, table: pa.Table, key: str) -> pa.Table:
    """Returns the row of `table` that each rating names."""
    places = pc.index_in(ratings[key], table[key].combine_chunks())
    if places.null_count:
        unknown = ratings[key].filter(pc.is_null(places))[0]
        raise DataError(
            f"A rating names the {key} {unknown}, which the {key} file lacks.",
            fix="take all files from the same copy of the data set",
        )
    return table.take(places)


def _order(table: pa.Table, keys: Sequence[str]) -> np.ndarray:
    return np.lexsort([table[key].to_numpy() for key in reversed(keys)])


def _last_true(flags: np.ndarray) -> np.ndarray:
    """Index of the latest True at or before each place; the first must be True."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), 0))
