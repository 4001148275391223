"""What a model server answers instead of a prediction."""

import grpc


class ServingError(Exception):
    """A request that fails, with the code and the message that the client gets.

    Args:
        code: gRPC's, as TF Serving would give it; never `OK`.
        message: what is wrong, in TF Serving's words where it has some.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def code_of(number: int) -> grpc.StatusCode:
    """Returns the code with TensorFlow's and gRPC's number; `UNKNOWN` for others."""
    return _CODES.get(number, grpc.StatusCode.UNKNOWN)


_CODES = {code.value[0]: code for code in grpc.StatusCode}
