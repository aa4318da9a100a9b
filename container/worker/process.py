"""The Python side of Multi Model Server: the parent it starts for a model, and the workers that are forked from it.

    python -P -m container.worker.process ARGUMENTS-OF-MULTI-MODEL-SERVER

It is Multi Model Server's own worker class with five of its habits changed, each of which loses a request, a process
or a reason (the notes say how they were found):
- parent and workers end with the process that started them, and a worker's children end with it;
- what a worker prints goes to the log collector, not through Java, whose reader one printed line can stop;
- a model that cannot be loaded is answered with its reason, and reported to the supervisor;
- SIGTERM ends an idle worker in order; it is what the supervisor sends when every request is answered;
- a response is sent whole, also when a signal arrives in the middle, and padded, so that it is read whole (`response_padding`).
"""

from __future__ import annotations

import logging
import multiprocessing.process
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from mms.arg_parser import ArgParser
from mms.model_service_worker import MXNetModelServiceWorker

from container.logs import json_lines
from container.logs.safe_logging import described
from container.shared import worker_status
from container.shared.die_with_parent import die_with_parent
from container.shared.run_directory import RunDirectory
from container.shared.settings import Settings
from container.worker.pipeline import Stop
from container.worker.response_padding import WholeReads


class Worker(MXNetModelServiceWorker):  # type: ignore[misc]
    """The parent; after a fork, one worker."""

    parent = 0
    model = "model"

    def start_worker(self, cl_socket: socket.socket) -> None:
        """In the forked worker: serve one connection of Java's, then end."""
        die_with_parent(signal.SIGKILL, self.parent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        json_lines.take_over(RunDirectory.of_this_process().log, "worker", Settings.from_env().log_level)
        worker_status.announce(RunDirectory.of_this_process().worker_status, Worker.model, begun=True)
        logging.getLogger("mms").setLevel(logging.WARNING)
        for handler_of_root in logging.getLogger().handlers:
            handler_of_root.addFilter(_is_news)
        super().start_worker(WholeReads(cl_socket))

    def load_model(self, load_model_request: dict[str, Any]) -> tuple[str, int]:
        """Load the model; a failure is a reason and a status, never an exception."""
        signal.signal(signal.SIGTERM, _stop)
        model = load_model_request["modelName"].decode()
        json_lines.subject.model = model if Settings.from_env().multi_model else None
        try:
            message, status = super().load_model(load_model_request)
        except MemoryError:
            message, status = "no memory left to load the model", 507
        except (Exception, SystemExit) as error:
            logging.getLogger("endpoint").error("the model cannot be loaded", exc_info=error)
            message, status = f"{type(error).__name__}: {described(error)}", 500
        if status != 200:
            worker_status.announce(RunDirectory.of_this_process().worker_status, model, " ".join(message.split()))
        return message, status

    def _remap_io(self) -> None:
        """Java's pipes are not used: stdout and stderr have gone to the log collector already."""


def _report_ended(number: int, frame: FrameType | None) -> None:
    """In the parent: tell the supervisor how workers have ended, which nothing else can know."""
    # A copy: active_children() forgets those that have ended.
    for process in list(multiprocessing.process._children):  # type: ignore[attr-defined]
        code = process.exitcode
        if code is not None:
            worker_status.announce(RunDirectory.of_this_process().worker_status, Worker.model, ended=code)
    multiprocessing.active_children()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop


def _is_news(record: logging.LogRecord) -> bool:
    """Multi Model Server logs an error for every connection that Java closes; that is how a worker's life ends."""
    return record.module != "model_service_worker"


def main() -> None:
    """Entry point of the parent."""
    arguments = ArgParser.model_service_worker_args().parse_args()
    die_with_parent(signal.SIGKILL, int(os.environ["ENDPOINT_JAVA"]))
    Worker.parent = os.getpid()
    Worker.model = arguments.model_name
    # Java waits for lines of this form, and reads them as log lines of its own later.
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    request = {
        "handler": arguments.handler.encode(),
        "modelPath": arguments.model_path.encode(),
        "modelName": arguments.model_name.encode(),
    }
    worker = Worker(
        arguments.sock_type,
        arguments.sock_name,
        arguments.host,
        arguments.port,
        request,
        arguments.preload_model,
        arguments.tmp_dir,
    )
    signal.signal(signal.SIGCHLD, _report_ended)
    try:
        worker.run_server()
    finally:
        Path(arguments.sock_name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
