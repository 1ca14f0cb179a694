import httpx
import obstore
import pytest
from obstore.store import S3Store

from tests.servers.s3 import S3, Bucket

pytestmark = pytest.mark.server


def test_buckets_are_fresh_and_removed(s3: S3) -> None:
    for _ in range(2):
        with s3.bucket() as bucket:
            store = opened(bucket)
            with pytest.raises(FileNotFoundError):
                obstore.head(store, "told")
            obstore.put(store, "told", b"once")
            assert bytes(obstore.get(store, "told").bytes()) == b"once"
        assert httpx.head(f"{s3.endpoint}/{bucket.name}").status_code == 404


def opened(bucket: Bucket) -> S3Store:
    return S3Store(
        bucket.name,
        endpoint=bucket.endpoint,
        region=bucket.region,
        access_key_id=bucket.access_key,
        secret_access_key=bucket.secret_key,
        client_options={"allow_http": True},
    )
