"""SageMaker's inference toolkit as it starts itself: `start_model_server` with its default handler, in a process of its own.

Two things are changed, so that it can run beside others on one machine: its properties go to a file of its own instead
of `/etc`, and it looks for Multi Model Server among its own descendants instead of all processes of the machine, where
it refuses to run if there are two. Temporary files, logs and the sockets of workers go to a private directory by
`TMPDIR`, `TEMP` and the working directory.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main() -> None:
    """The process. Its working directory is its own."""
    import psutil  # type: ignore[import-untyped]
    from sagemaker_inference import model_server

    def own_server() -> psutil.Process:
        """Java, once it is there: its starter ends at once, so it is nobody's child but still of our session."""
        while True:
            for process in psutil.process_iter():
                try:
                    if model_server.MMS_NAMESPACE in process.cmdline() and os.getsid(process.pid) == os.getsid(0):
                        return process
                except (psutil.Error, OSError):
                    continue
            time.sleep(0.2)

    model_server.MMS_CONFIG_FILE = str(Path("sagemaker-mms.properties").absolute())
    model_server._retrieve_mms_server_process = own_server
    model_server.start_model_server()


def environment(base_dir: Path, private: Path, port: int, workers: int, java: str) -> dict[str, str]:
    """What the process's environment must say, beside what it inherits."""
    home = Path(java).resolve().parents[1]
    return {
        "SAGEMAKER_BASE_DIR": str(base_dir),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers),
        "JAVA_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "TMPDIR": str(private),
        "TEMP": str(private),
        "PYTHONUNBUFFERED": "1",
    }
