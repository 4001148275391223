"""What the report says of item tables."""

from report_page import Page, table
from report_record import finished_run

from clickwright.pipeline.report.render import render
from clickwright.schemas.item_table import AttributeColumn, ItemTable, VectorColumn

TABLE = ItemTable(
    entity="item",
    vocabulary_digest="0",
    rows=2002,
    known=1500,
    absent=500,
    unknown=30,
    vectors={"look": VectorColumn(width=64, storage="int8", missing=500, error=0.01)},
    attributes={"tags": AttributeColumn(length=5, values=1200, missing=0)},
)


def test_the_report_tells_how_much_of_the_vocabulary_is_described() -> None:
    page = Page(render(finished_run(items=(TABLE,))))
    entities = table(page, "Values of each vocabulary")
    assert entities[1:] == [["item", "2,000", "1,500 (75.00%)", "500", "30"]]
    columns = table(page, "What the model looks up")
    vectors = "64 values, int8, at most 0.01 off"
    attributes = "1,200 values, 5 an entity at most"
    assert columns[1:] == [
        ["look", "item", vectors, "1,000 (50.00%)", "500", "2,002"],
        ["tags", "item", attributes, "1,500 (75.00%)", "0", "2,002"],
    ]


def test_a_run_without_item_tables_has_no_such_section() -> None:
    assert "Item tables" not in Page(render(finished_run())).text
