"""One line at start where what is captured cannot leave: no credentials, no way to S3, no bucket.

    python -m container.supervisor.destination_check s3://bucket/prefix

The supervisor starts it when the endpoint is ready, so that it delays nothing and boto3 is imported nowhere else. It
only tells: records wait in the spool, and the shipper goes on trying.
"""

from __future__ import annotations

import logging
import sys
from urllib.parse import urlsplit

from container.logs import json_lines

log = logging.getLogger("preflight")
SECONDS = 3
WHAT_FOLLOWS = "what is captured stays on this instance, and is dropped and counted past CAPTURE_SPOOL_MAX_BYTES"


def obstacle(destination: str) -> str | None:
    """Why nothing can be uploaded there, as one line; None: nothing is in the way that can be seen from here."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    bucket = urlsplit(destination).netloc
    config = Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"total_max_attempts": 1})
    try:
        boto3.client("s3", config=config).head_bucket(Bucket=bucket)
    except (NoCredentialsError, NoRegionError) as error:
        return f"no AWS credentials ({error}): network isolation, or no execution role"
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            return f"there is no bucket {bucket}"
        # 403: a role that may write but not list is as it should be.
    except BotoCoreError as error:
        return f"S3 cannot be reached ({error}): network isolation, or a VPC without an S3 endpoint"
    return None


def main() -> None:
    """Entry point."""
    logging.getLogger().addHandler(json_lines.JsonHandler("preflight", 1))
    destination = sys.argv[1]
    found = obstacle(destination)
    if found is not None:
        log.warning("CAPTURE_DESTINATION=%s: %s; %s", destination, found, WHAT_FOLLOWS)


if __name__ == "__main__":
    main()
