"""The real S3 server, for the tests of this folder."""

from tests.s3_server import s3_bucket, s3_server

__all__ = ["s3_bucket", "s3_server"]
