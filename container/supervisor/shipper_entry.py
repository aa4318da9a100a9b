"""Capture's shipper with the endpoint's log: each line a JSON object with its own level.

python -P -m container.supervisor.shipper_entry ship --spool DIRECTORY --deadline SECONDS
"""

from __future__ import annotations

import logging
import sys

from capture.__main__ import main
from container.logs.json_lines import JsonHandler
from container.logs.safe_logging import make_logging_safe

if __name__ == "__main__":
    logging.getLogger().addHandler(JsonHandler("shipper", 2))
    logging.getLogger().setLevel(logging.INFO)
    make_logging_safe()
    sys.exit(main(sys.argv[1:]))
