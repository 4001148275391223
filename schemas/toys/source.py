"""Amazon Toys and Games: what people reviewed one after the other."""

from clickwright.schemas.file_source import RawFile
from clickwright.schemas.leave_one_out_source import LeaveOneOutSource


class ToysSource(LeaveOneOutSource):
    """167,597 reviews of 11,924 products by 19,412 people, as sequences.

    The attributes are 1,027 categories and brands.
    """

    name = "toys"
    sequences = RawFile(
        "Toys_and_Games.txt", 19_412, "b139ecacfc81d0fb642bc2f448f13843", header=False
    )
    attributes = RawFile(
        "Toys_and_Games_item2attributes.json",
        1,
        "da983c96496c9c373b7d808564398bb6",
        header=False,
    )
    layouts = ((sequences, attributes),)
