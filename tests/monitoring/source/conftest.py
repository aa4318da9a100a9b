"""A server that answers as AWS does."""

from tests.monitoring.moto_server import aws, aws_server

__all__ = ["aws", "aws_server"]
