from tests.memory_directory import tmp_path
from tests.moto_server import aws, moto_address
from tests.s3_server import s3_bucket, s3_server

__all__ = ["aws", "moto_address", "s3_bucket", "s3_server", "tmp_path"]
