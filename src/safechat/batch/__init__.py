"""Many prompts from a file, answered into a file: `safechat.batch.run`, and `safechat batch` in a shell.

Not here: many prompts of one program, without a file (client/map.py).
"""

from safechat.batch.batch import Batch, run
from safechat.batch.workers import BatchStatus

__all__ = ["Batch", "BatchStatus", "run"]
