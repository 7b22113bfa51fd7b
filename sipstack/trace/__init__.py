"""One log of every message: ladder diagrams, pcapng, JSON lines, and questions that tests ask."""

from ._masking import mask_credentials
from ._passages import Passage
from ._pcapng import PcapWriter
from ._question import Question
from ._record import Address, Direction, Note, Record, Summary
from ._trace import Trace, Writer
from ._writers import JsonLinesWriter, LadderWriter, RichLadderWriter

__all__ = [
    "Address",
    "Direction",
    "JsonLinesWriter",
    "LadderWriter",
    "Note",
    "Passage",
    "PcapWriter",
    "Question",
    "Record",
    "RichLadderWriter",
    "Summary",
    "Trace",
    "Writer",
    "mask_credentials",
]
