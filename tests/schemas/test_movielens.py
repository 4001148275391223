"""MovieLens-100k: histories without leaks, and both forms of the raw files."""

import datetime
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickwright.schemas.errors import DataError
from clickwright.schemas.file_source import RawFile
from clickwright.schemas.movielens import rows
from clickwright.schemas.movielens.source import MovielensSource

# user, item, rating, timestamp; the second person's first two ratings share a second.
RATINGS = [
    (1, 10, 5, 1000),
    (1, 20, 3, 2000),
    (1, 30, 4, 3000),
    (2, 10, 4, 875_000_000),
    (2, 30, 5, 875_000_000),
    (2, 20, 1, 875_090_061),
]
TYPES = {"int64": pa.int64(), "string": pa.string(), "float32": pa.float32()}


@pytest.fixture
def original(tmp_path: pathlib.Path) -> pathlib.Path:
    """The toy log in the form that GroupLens publishes."""
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    lines = ["\t".join(map(str, rating)) for rating in RATINGS]
    (folder / "u.data").write_text("\n".join(lines) + "\n")
    toy, accents, unknown = ["0"] * 19, ["0"] * 19, ["0"] * 19
    toy[3] = toy[4] = "1"  # Animation, Children's
    accents[15] = accents[16] = "1"  # Sci-Fi, Thriller
    unknown[0] = "1"
    items = [
        "10|Toy Story (1995)|01-Jan-1995||http://a|" + "|".join(toy),
        '20|Cité "II" (The City) (1994) (V)|01-Jan-1996||http://b|' + "|".join(accents),
        "30|unknown||||" + "|".join(unknown),
    ]
    (folder / "u.item").write_text("\n".join(items) + "\n", encoding="latin-1")
    (folder / "u.user").write_text("1|24|M|technician|85711\n2|53|F|none|T8H1N\n")
    return folder


@pytest.fixture
def atomic(tmp_path: pathlib.Path) -> pathlib.Path:
    """The same log in RecBole's atomic files."""
    folder = tmp_path / "atomic"
    folder.mkdir()
    lines = ["\t".join(map(str, rating)) for rating in RATINGS]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "ml-100k.inter").write_text("\n".join([header, *lines]) + "\n")
    (folder / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "10\tToy Story\t1995\tAnimation Children's\n"
        '20\tCité "II" (The City) (1994)\tV\tSci-Fi Thriller\n'
        "30\tunkonwn\tunkonwn\tunknown\n"
    )
    (folder / "ml-100k.user").write_text(
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "1\t24\tM\ttechnician\t85711\n2\t53\tF\tnone\tT8H1N\n"
    )
    return folder


def test_a_row_holds_what_was_known_when_the_film_was_rated(
    original: pathlib.Path,
) -> None:
    log = rows.click_log(*rows.read_original(original), history_length=50)

    assert log.to_pylist()[:3] == [
        {
            "click": click,
            "user": 1,
            "age": 24,
            "gender": "M",
            "occupation": "technician",
            "region": "8",
            "history": history,
            "item": item,
            "genres": genres,
            "release_year": year,
            "hour": 0,
            "weekday": 3,  # 1 January 1970 was a Thursday
            "timestamp": timestamp,
        }
        for click, item, timestamp, history, genres, year in [
            (1, 10, 1000, [], ["Animation", "Children's"], 1995),
            (0, 20, 2000, [10], ["Sci-Fi", "Thriller"], 1994),
            (1, 30, 3000, [10], ["unknown"], None),  # 20 was not liked
        ]
    ]
    assert log["history"].to_pylist()[3:] == [[], [], [10, 30]]
    assert log["region"].to_pylist()[3:] == ["T", "T", "T"]


def test_hour_and_weekday_are_those_of_the_calendar(original: pathlib.Path) -> None:
    log = rows.click_log(*rows.read_original(original), history_length=50)

    for row in log.to_pylist():
        moment = datetime.datetime.fromtimestamp(row["timestamp"], datetime.UTC)
        assert (row["hour"], row["weekday"]) == (moment.hour, moment.weekday())


def test_both_forms_of_the_files_give_the_same_rows(
    original: pathlib.Path, atomic: pathlib.Path
) -> None:
    first = rows.click_log(*rows.read_original(original), history_length=50)
    second = rows.click_log(*rows.read_atomic(atomic), history_length=50)

    assert first.equals(second)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.integers(1, 9), st.integers(0, 6), st.booleans()
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 4),
)
def test_a_history_is_the_latest_clicks_of_earlier_seconds(
    log: list[tuple[int, int, int, bool]], length: int
) -> None:
    user, item, time, clicked = (np.array(column) for column in zip(*log, strict=True))

    found = rows.history(user, item, time, clicked, length).to_pylist()

    for row, (its_user, _, its_time, _) in enumerate(log):
        earlier = sorted(
            (t, i) for u, i, t, c in log if u == its_user and t < its_time and c
        )
        assert found[row] == [i for _, i in earlier][-length:]


def test_a_rating_of_an_unknown_film_is_refused(original: pathlib.Path) -> None:
    with (original / "u.data").open("a") as file:
        file.write("1\t99\t5\t4000\n")

    with pytest.raises(DataError, match="names the item 99, which the item file lacks"):
        rows.click_log(*rows.read_original(original), history_length=50)


@pytest.mark.parametrize(
    ("name", "line"),
    [("u.data", "1\t10\tgood\t4000\n"), ("u.data", "1\t10\n"), ("u.user", "3|old\n")],
)
def test_a_line_of_another_shape_is_refused_with_its_file(
    original: pathlib.Path, name: str, line: str
) -> None:
    with (original / name).open("a") as file:
        file.write(line)

    with pytest.raises(DataError, match="Not the columns user") as caught:
        rows.read_original(original)

    assert caught.value.where == str(original / name)


def test_prepared_files_hold_the_columns_of_the_spec(
    monkeypatch: pytest.MonkeyPatch, original: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    toy = (
        RawFile("u.data", 6, None, header=False),
        RawFile("u.item", 3, None, header=False),
        RawFile("u.user", 2, None, header=False),
    )
    monkeypatch.setattr("clickwright.schemas.movielens.source._ORIGINAL", toy)
    monkeypatch.setattr(MovielensSource, "layouts", (toy,))

    prepared = MovielensSource().prepare(original.parent, tmp_path / "out")

    assert (prepared.splits, prepared.rows) == (("all",), {"all": 6})
    schema = pq.read_schema(prepared.directory / "all" / "part-00000.parquet")
    assert {field.name: field.type for field in schema} == {
        column.name: pa.list_(TYPES[column.dtype])
        if column.is_list
        else TYPES[column.dtype]
        for column in MovielensSource.spec().columns().values()
    }


def test_the_real_log_is_prepared_whole(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = MovielensSource().prepare(shared_data / "ml100k", tmp_path)

    log = pq.read_table(prepared.directory / "all")
    assert prepared.rows == {"all": 100_000}
    assert pc.sum(log["click"]).as_py() == 34_174 + 21_201  # ratings of 4 and of 5
    no_year = log.filter(pc.is_null(log["release_year"]))
    assert pc.unique(no_year["item"]).to_pylist() == [267]
    assert (np.diff(log["timestamp"].to_numpy()) >= 0).all()
    required = [c.name for c in MovielensSource.spec().columns().values() if c.required]
    assert not any(log[name].null_count for name in required)
    # One person's rows by brute force.
    person = log.filter(pc.equal(log["user"], 405)).to_pylist()
    for row in person:
        liked = [
            (r["timestamp"], r["item"])
            for r in person
            if r["click"] and r["timestamp"] < row["timestamp"]
        ]
        assert row["history"] == [item for _, item in sorted(liked)][-50:]
