"""What tests borrow from the machine: a real S3 server on the loopback interface, and a disk of their own."""

import subprocess
from contextlib import contextmanager
from urllib.request import urlopen

import pytest


@contextmanager
def s3_bucket(secret):
    """Run an S3 server with the empty bucket `data`; yields its URI, with `{}` for the key in it, and a client."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()  # what servers before it held is one per process
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": secret}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys)
    client.create_bucket(Bucket="data")
    yield f"s3://key:{secret}@data/{{}}?endpoint_override={host}:{port}&scheme=http&region=us-east-1", client
    server.stop()


@contextmanager
def small_disk(place, size):
    """Mount a file system of that size (`2m`) at a new folder; skips the test where the machine does not let us."""
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount a tmpfs here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)
