"""How requests are put together before the model sees them."""

import itertools
import os
import pathlib
from collections.abc import Sequence
from typing import Annotated, Self

import pydantic
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from pydantic import Field

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.strict_yaml import StrictModel


class BatchingParams(StrictModel):
    """The parameters of TF Serving's batching, by their names there.

    References:
        `BatchingParameters` in TF Serving's `session_bundle_config.proto`.
    """

    max_batch_size: Annotated[int, Field(ge=1)] = 1000
    """Rows of a batch at most. A request with more is refused."""
    batch_timeout_micros: Annotated[int, Field(ge=0)] = 0
    """How long a batch that is not full waits for more rows, in microseconds."""
    allowed_batch_sizes: Sequence[Annotated[int, Field(ge=1)]] = ()
    """A batch is filled up to the next of these with copies of its first row; empty:
    it is as large as it happens to be."""
    max_enqueued_batches: Annotated[int, Field(ge=1)] = 10
    """Batches of a signature that wait at most. Requests beyond them are refused."""
    num_batch_threads: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda: os.cpu_count() or 1
    )
    """Batches that run at the same time."""

    @pydantic.model_validator(mode="after")
    def _sizes_rise(self) -> Self:
        sizes = self.allowed_batch_sizes
        if any(a >= b for a, b in itertools.pairwise(sizes)):
            raise ValueError("allowed_batch_sizes entries must be in increasing order")
        if sizes and sizes[-1] != self.max_batch_size:
            raise ValueError(
                "last entry in allowed_batch_sizes must match max_batch_size; last "
                f"entry was {sizes[-1]}; expected {self.max_batch_size}"
            )
        return self

    @classmethod
    def from_file(cls, path: pathlib.Path) -> Self:
        """Reads TF Serving's `BatchingParameters` in text format.

        `thread_pool_name` is read over: it names threads and does nothing else.

        Raises:
            ConfigError: the file cannot be read or parsed, a value breaks its rule,
                or it asks for what this server lacks.
        """
        try:
            message = text_format.Parse(path.read_text(encoding="utf-8"), _MESSAGE())
            given = {field.name: value for field, value in message.ListFields()}
            given.pop("thread_pool_name", None)
            values = {
                name: value.value if hasattr(value, "value") else tuple(value)
                for name, value in given.items()
            }
            return cls.model_validate(values)
        except (OSError, UnicodeError, text_format.ParseError) as error:
            problem = str(error)
        except pydantic.ValidationError as error:
            problem = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"]
                for e in error.errors()
            )
        raise ConfigError(
            f"The batching parameters cannot be used: {problem}.",
            where=str(path),
            fix="write them in TF Serving's text format, as in "
            "`max_batch_size { value: 128 }`",
        )


def _message() -> type:
    """The message class: TF Serving's Python package lacks it."""
    file = descriptor_pb2.FileDescriptorProto(
        name="clickwright/batching_parameters.proto",
        package="clickwright",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, number, wrapper in (
        ("max_batch_size", 1, "Int64Value"),
        ("batch_timeout_micros", 2, "Int64Value"),
        ("max_enqueued_batches", 3, "Int64Value"),
        ("num_batch_threads", 4, "Int64Value"),
        ("thread_pool_name", 5, "StringValue"),
    ):
        message.field.add(
            name=name,
            number=number,
            label=kinds.LABEL_OPTIONAL,
            type=kinds.TYPE_MESSAGE,
            type_name=f".google.protobuf.{wrapper}",
        )
    message.field.add(
        name="allowed_batch_sizes",
        number=6,
        label=kinds.LABEL_REPEATED,
        type=kinds.TYPE_INT64,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("clickwright.BatchingParameters")
    )


_MESSAGE = _message()
