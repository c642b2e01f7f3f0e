"""Answers from one's own texts: find sources, pack them, ask, and read which of them the answer cites.

Start at RagPipeline. Not here: the calls themselves (client/).
"""

from safechat.rag.index import KeywordIndex
from safechat.rag.pipeline import RagAnswer, RagPipeline
from safechat.rag.sources import Source
from safechat.rag.stream import AsyncRagStream, RagStream

__all__ = ["AsyncRagStream", "KeywordIndex", "RagAnswer", "RagPipeline", "RagStream", "Source"]
