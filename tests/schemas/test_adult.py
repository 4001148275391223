"""Adult: the published files, both forms of them, checked, typed and split."""

import hashlib
import io
import pathlib
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clickwright.schemas.adult import rows
from clickwright.schemas.adult.source import AdultOptions, AdultSource
from clickwright.schemas.errors import DataError
from clickwright.schemas.file_source import RawFile

HEADER = (
    "age, workclass, fnlwgt, education, education-num, marital-status, occupation, "
    "relationship, race, sex, capital-gain, capital-loss, hours-per-week, "
    "native-country, classification\n"
)
NOTE = "|1x3 Cross validator\n"
UNKNOWN_IN = ("workclass", "occupation", "native_country")
ROWS = 12
Files = dict[str, bytes]


def toy_row(n: int, dot: str) -> str:
    """Row `n`; every fifth has unknown values, every third earns that much."""
    job, work, land = ("?", "?", "?") if n % 5 == 4 else ("Sales", "Private", "Peru")
    label = (">50K" if n % 3 == 0 else "<=50K") + dot
    values = (
        *(20 + n, work, 1000 * n + 1, "HS-grad", 9, "Divorced", job, "Husband"),
        *("White", "Male", 100 * n, n, 40, land, label),
    )
    return ", ".join(map(str, values)) + "\n"


def published() -> Files:
    data = "".join(toy_row(n, "") for n in range(ROWS)) + "\n"
    test = NOTE + "".join(toy_row(n, ".") for n in range(7)) + "\n"
    return {"adult.data": data.encode(), "adult.test": test.encode()}


def with_names() -> Files:
    data = HEADER + "".join(toy_row(n, "") for n in range(ROWS))
    test = HEADER + "".join(toy_row(n, "") for n in range(7))
    return {"adult.data": data.encode(), "adult.test": test.encode()}


def layout(files: Files, counts: tuple[int, int], header: bool) -> tuple[RawFile, ...]:
    return tuple(
        RawFile(name, count, hashlib.md5(content).hexdigest(), header=has_header)
        for (name, content), count, has_header in zip(
            files.items(), counts, (header, True), strict=True
        )
    )


@pytest.fixture(autouse=True)
def toy_layouts(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The checksums of the toy files, unless the test asks for the real ones."""
    if "shared_data" in request.fixturenames:
        return
    layouts = (
        layout(published(), (ROWS + 1, 8), header=False),
        layout(with_names(), (ROWS, 7), header=True),
    )
    monkeypatch.setattr(AdultSource, "layouts", layouts)


def lay(folder: pathlib.Path, files: Files) -> pathlib.Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def expected(numbers: list[int]) -> list[dict[str, object]]:
    """The rows of the Parquet, by the numbers of the raw ones."""
    return [
        {
            "over_50k": int(n % 3 == 0),
            "age": 20 + n,
            "workclass": None if n % 5 == 4 else "Private",
            "fnlwgt": 1000 * n + 1,
            "education": "HS-grad",
            "education_num": 9,
            "marital_status": "Divorced",
            "occupation": None if n % 5 == 4 else "Sales",
            "relationship": "Husband",
            "race": "White",
            "sex": "Male",
            "capital_gain": 100 * n,
            "capital_loss": n,
            "hours_per_week": 40,
            "native_country": None if n % 5 == 4 else "Peru",
        }
        for n in numbers
    ]


def chosen(number: int) -> bool:
    """The rule of the validation split in exact integers, as it is documented."""
    return number * 0x9E3779B97F4A7C15 % 2**64 < 2**64 // 10


@pytest.mark.parametrize("files", [published, with_names])
@pytest.mark.parametrize("drop", [True, False])
def test_both_forms_of_the_files_give_the_rows_of_the_spec(
    tmp_path: pathlib.Path, files: Callable[[], Files], drop: bool
) -> None:
    raw = lay(tmp_path / "adult", files())

    prepared = AdultSource(AdultOptions(drop_unknown=drop)).prepare(
        raw, tmp_path / "out"
    )

    kept = [n for n in range(ROWS) if not drop or n % 5 != 4]
    wanted = {
        "train": [n for n in kept if not chosen(n)],
        "valid": [n for n in kept if chosen(n)],
        "test": [n for n in range(7) if not drop or n % 5 != 4],
    }
    assert len(wanted["valid"]) >= 1
    assert prepared.rows == {split: len(found) for split, found in wanted.items()}
    for split, numbers in wanted.items():
        table = pq.read_table(prepared.directory / split)
        assert table.to_pylist() == expected(numbers)
        assert table.column_names == list(AdultSource.spec().columns())
        assert set(table.schema.types) == {pa.int64(), pa.string()}


def test_the_files_may_lie_in_a_folder_of_their_name(tmp_path: pathlib.Path) -> None:
    raw = lay(tmp_path / "adult", published())

    assert AdultSource().prepare(tmp_path, tmp_path / "out") == AdultSource().prepare(
        raw, tmp_path / "out"
    )


def test_the_option_names_another_folder(tmp_path: pathlib.Path) -> None:
    raw = lay(tmp_path / "adult", published())
    options = AdultOptions(drop_unknown=False)

    assert AdultSource(options).fingerprint(raw) != AdultSource().fingerprint(raw)


def test_the_rule_of_validation_takes_a_tenth_spread_evenly() -> None:
    mask = rows.for_validation(100_000)

    assert [n for n in range(1000) if mask[n]] == [n for n in range(1000) if chosen(n)]
    shares = mask.reshape(100, 1000).mean(axis=1)
    assert 0.09 <= shares.min() <= shares.max() <= 0.11


def test_a_mixture_of_the_two_forms_is_refused(tmp_path: pathlib.Path) -> None:
    mixed = {**published(), "adult.test": with_names()["adult.test"]}
    raw = lay(tmp_path / "adult", mixed)

    with pytest.raises(DataError, match="has 7 rows; expected: 8") as caught:
        AdultSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(raw / "adult.test")


@pytest.mark.parametrize("files", [published, with_names])
@pytest.mark.parametrize("name", ["adult.data", "adult.test"])
def test_one_changed_byte_is_refused(
    tmp_path: pathlib.Path, files: Callable[[], Files], name: str
) -> None:
    content = files()
    content[name] = content[name].replace(b"Peru", b"Perv", 1)
    raw = lay(tmp_path / "adult", content)

    with pytest.raises(DataError, match="checksum is wrong") as caught:
        AdultSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(raw / name)
    assert "`clickwright data get adult`" in caught.value.fix


@pytest.mark.parametrize("name", ["adult.data", "adult.test"])
def test_an_absent_file_is_named_with_the_ways_to_get_it(
    tmp_path: pathlib.Path, name: str
) -> None:
    raw = lay(tmp_path / "adult", published())
    (raw / name).unlink()

    with pytest.raises(DataError, match="The file is absent") as caught:
        AdultSource().prepare(raw, tmp_path / "out")

    assert caught.value.where == str(raw / name)
    assert "`--data`" in caught.value.fix
    assert "`clickwright data get adult`" in caught.value.fix


def test_the_archive_of_the_repository_is_taken_from_a_mirror(
    tmp_path: pathlib.Path,
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**published(), "old.adult.names": b"x"}.items():
            archive.writestr(name, content)
    lay(tmp_path / "mirror", {"adult.zip": buffer.getvalue()})

    AdultSource.fetch(tmp_path / "raw", str(tmp_path / "mirror"))

    assert {p.name for p in (tmp_path / "raw" / "adult").iterdir()} == set(published())
    assert AdultSource().prepare(tmp_path / "raw", tmp_path / "out").rows["test"] == 6


def test_the_real_files_have_the_published_rows(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    raw = shared_data / "adult"
    if not raw.is_dir():
        pytest.skip(f"the files of Adult are not at {raw}")
    known = AdultSource().prepare(raw, tmp_path)
    whole = AdultSource(AdultOptions(drop_unknown=False)).prepare(raw, tmp_path)

    # `adult.names` counts 30,162 + 15,060 rows without unknowns, 32,561 + 16,281 with.
    assert known.rows == {"train": 27_157, "valid": 3_005, "test": 15_060}
    assert known.rows["train"] + known.rows["valid"] == 30_162
    assert whole.rows["train"] + whole.rows["valid"] == 32_561
    assert whole.rows["test"] == 16_281
    for prepared, share in ((known, 0.2478), (whole, 0.2393)):
        tables = [pq.read_table(prepared.directory / s) for s in prepared.splits]
        everyone = pa.concat_tables(tables)
        # The share of incomes above 50,000 dollars that `adult.names` states.
        assert pc.mean(everyone["over_50k"]).as_py() == pytest.approx(share, abs=5e-5)
        nulls = {n: everyone[n].null_count for n in everyone.column_names}
        empty = {name for name, count in nulls.items() if count}
        assert empty == (set() if prepared is known else set(UNKNOWN_IN))
        assert pc.max(everyone["capital_gain"]).as_py() == 99_999
        assert set(pc.unique(everyone["sex"]).to_pylist()) == {"Female", "Male"}
        assert len(pc.unique(everyone["education"])) == 16
