from tests.memory_directory import tmp_path
from tests.moto_server import aws, moto_address

__all__ = ["aws", "moto_address", "tmp_path"]
