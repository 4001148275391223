"""Amazon Beauty: what people reviewed one after the other."""

from clickwright.schemas.file_source import RawFile
from clickwright.schemas.leave_one_out_source import LeaveOneOutSource


class BeautySource(LeaveOneOutSource):
    """198,502 reviews of 12,101 products by 22,363 people, as sequences.

    The attributes are 637 categories and brands.
    """

    name = "beauty"
    sequences = RawFile(
        "Beauty.txt", 22_363, "cb03635343187f36526ed4ba48102b53", header=False
    )
    attributes = RawFile(
        "Beauty_item2attributes.json",
        1,
        "d4955784543b9e8e68385db31cb30144",
        header=False,
    )
    layouts = ((sequences, attributes),)
