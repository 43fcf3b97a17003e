"""Results in Amazon's stores: ``s3`` (a bucket) and ``dynamodb://@region/table``.

Keys and attributes are those that Celery writes.  In DynamoDB a key looks like a Python literal of
bytes, because Celery's do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from taskq.errors import ImproperlyConfigured

MISSING: Final = frozenset({"NoSuchKey", "404"})
DEFAULT_TABLE: Final = "celery"
DEFAULT_CAPACITY: Final = 1
FOR_EVER: Final = -1
# How many keys one request reads.
KEYS_PER_CALL: Final = 100
TTL_ATTRIBUTE: Final = "ttl"


class S3Values:
    """Implements ``KeyValues`` in a bucket; let a lifecycle rule of the bucket expire results."""

    def __init__(
        self,
        bucket: str | None,
        *,
        base_path: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        if not bucket:
            raise ImproperlyConfigured("result_backend s3: set s3_bucket to the bucket's name")
        self._bucket, self._base = bucket, base_path or ""
        self._client: Any = boto3.client(
            "s3",
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            region_name=region,
            endpoint_url=endpoint_url,
        )

    @property
    def name(self) -> str:
        """The bucket, and what stands in front of all keys."""
        return f"s3://{self._bucket}/{self._base}"

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """Out of reach."""
        return (BotoCoreError,)

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read."""
        return [self._get(self._base + key) for key in keys]

    def _get(self, key: str) -> bytes | None:
        try:
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise
        return body

    def put(self, key: str, value: bytes, life_s: float | None) -> None:  # noqa: ARG002 - see above
        """Write."""
        self._client.put_object(Bucket=self._bucket, Key=self._base + key, Body=value)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            self._client.delete_object(Bucket=self._bucket, Key=self._base + key)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class DynamoValues:
    """Implements ``KeyValues`` in a table, which is made when it is not there."""

    def __init__(self, url: str, *, endpoint_url: str | None = None) -> None:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._table = parts.path.strip("/") or DEFAULT_TABLE
        self._life_s = int(query.get("ttl_seconds", FOR_EVER))
        self._capacity = {
            "ReadCapacityUnits": int(query.get("read", DEFAULT_CAPACITY)),
            "WriteCapacityUnits": int(query.get("write", DEFAULT_CAPACITY)),
        }
        local = parts.hostname == "localhost"
        self._client: Any = boto3.client(
            "dynamodb",
            aws_access_key_id=unquote(parts.username) if parts.username else None,
            aws_secret_access_key=unquote(parts.password) if parts.password else None,
            region_name="us-east-1" if local else parts.hostname,
            endpoint_url=f"http://localhost:{parts.port or 8000}" if local else endpoint_url,
        )
        self._region, self._ready = parts.hostname, False

    @property
    def name(self) -> str:
        """Region and table."""
        return f"dynamodb://@{self._region}/{self._table}"

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """Out of reach."""
        return (BotoCoreError,)

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read; what has expired and was not deleted yet is not there."""
        found: dict[str, bytes] = {}
        wanted = [_literal(key) for key in dict.fromkeys(keys)]
        for start in range(0, len(wanted), KEYS_PER_CALL):
            left: Any = {
                self._made: {
                    "Keys": [{"id": {"S": key}} for key in wanted[start : start + KEYS_PER_CALL]]
                }
            }
            while left:
                answer = self._client.batch_get_item(RequestItems=left)
                for item in answer["Responses"].get(self._table, ()):
                    if int(item.get(TTL_ATTRIBUTE, {}).get("N", 0)) in range(1, int(time.time())):
                        continue
                    found[item["id"]["S"]] = bytes(item["result"]["B"])
                left = answer.get("UnprocessedKeys")
        return [found.get(_literal(key)) for key in keys]

    def put(self, key: str, value: bytes, life_s: float | None) -> None:
        """Write; the life in the URL counts, else that of the result."""
        now_s = time.time()
        item: dict[str, Any] = {
            "id": {"S": _literal(key)},
            "result": {"B": value},
            "timestamp": {"N": str(now_s)},
        }
        life = self._life_s if self._life_s >= 0 else life_s
        if life:
            item[TTL_ATTRIBUTE] = {"N": str(int(now_s + life))}
        self._client.put_item(TableName=self._made, Item=item)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            self._client.delete_item(TableName=self._made, Key={"id": {"S": _literal(key)}})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def _made(self) -> str:
        """The name of the table; it is there."""
        if not self._ready:
            try:
                self._client.describe_table(TableName=self._table)
            except self._client.exceptions.ResourceNotFoundException:
                self._make()
            self._ready = True
        return self._table

    def _make(self) -> None:
        exists = self._client.get_waiter("table_exists")
        try:
            self._client.create_table(
                TableName=self._table,
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                ProvisionedThroughput=self._capacity,
            )
        except self._client.exceptions.ResourceInUseException:
            exists.wait(TableName=self._table)  # somebody else makes it at the same time
            return
        exists.wait(TableName=self._table)
        self._client.update_time_to_live(
            TableName=self._table,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
        )


def _literal(key: str) -> str:
    return f"b'{key}'"
