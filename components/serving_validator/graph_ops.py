"""Which operations a SavedModel holds, read from its file without loading it."""

import pathlib
from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from clickwright.schemas.errors import DataError

_PYTHON = {"EagerPyFunc", "PyFunc", "PyFuncStateless"}
_FILES = {
    *("AudioSummary", "CreateSummaryDbWriter", "CreateSummaryFileWriter"),
    *("DatasetToTFRecord", "DistributedSave", "DumpTensor", "ReadFile", "WriteFile"),
    *("DebugIdentity", "DebugIdentityV2", "DebugIdentityV3"),
    *("ExperimentalDatasetToTFRecord", "ExperimentalLMDBDataset"),
    *("ExperimentalMatchingFilesDataset", "ExperimentalSqlDataset"),
    *("FileSystemSetConfiguration", "FixedLengthRecordDataset", "RecordInput"),
    *("FixedLengthRecordDatasetV2", "FixedLengthRecordReader", "LMDBReader"),
    *("FixedLengthRecordReaderV2", "LMDBDataset", "MatchingFiles"),
    *("MatchingFilesDataset", "Print", "PrintV2", "SaveDataset", "SaveDatasetV2"),
    *("LoadDataset", "SnapshotDataset", "SnapshotDatasetReader", "SnapshotDatasetV2"),
    *("SqlDataset", "TFRecordDataset", "TFRecordDatasetV2", "TFRecordReader"),
    *("TFRecordReaderV2", "TextLineDataset", "TextLineReader", "TextLineReaderV2"),
    *("WholeFileReader", "WholeFileReaderV2"),
}
_NETWORK = {
    *("DataServiceDataset", "DataServiceDatasetV2", "DataServiceDatasetV3"),
    *("DataServiceDatasetV4", "Recv", "RegisterDataset", "RegisterDatasetV2"),
    *("RemoteCall", "RpcCall", "RpcClient", "RpcServer", "RpcServerStart", "Send"),
    *("_HostRecv", "_HostSend", "_Recv", "_Send"),
}
_MACHINE = {"Abort", "XlaCustomCall", "XlaCustomCallV2"}
_SAVING = {
    *("MergeV2Checkpoints", "Restore", "RestoreSlice", "RestoreV2", "Save"),
    *("SaveSlices", "SaveV2"),
}
"""Every SavedModel holds these for its variables; no signature needs them."""


def read_graph(model: pathlib.Path) -> MetaGraphDef:
    """Reads the graph that a model server would load.

    Raises:
        DataError: there is none, or the file is damaged.
    """
    path = model / "saved_model.pb"
    try:
        saved = SavedModel.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise DataError(
            f"The graph cannot be read: {error}.",
            where=str(path),
            fix="export the model again",
        ) from error
    for graph in saved.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return graph
    raise DataError(
        "No graph has the tag `serve`, which model servers ask for.",
        where=str(path),
        fix="export the model again",
    )


def forbidden_ops(graph: MetaGraphDef) -> tuple[str, ...]:
    """Says which operations a served graph must not hold, one sentence each.

    They run Python, read or write files, speak to other machines or end the process.
    Those that read and write variables may be there, but not where a signature leads.
    """
    found: dict[str, list[str]] = {}
    for place, nodes in _places(graph.graph_def):
        for node in nodes:
            if node.op in _PYTHON | _FILES | _NETWORK | _MACHINE:
                found.setdefault(node.op, []).append(place)
    for name, signature in graph.signature_def.items():
        for op in sorted(_reached(graph.graph_def, signature) & _SAVING):
            found.setdefault(op, []).append(f"the signature `{name}`")
    return tuple(
        f"the operation `{op}` {_why(op)}; it is in {_some(places)}"
        for op, places in sorted(found.items())
    )


def _why(op: str) -> str:
    if op in _PYTHON:
        return "needs the Python process that traced it"
    if op in _NETWORK:
        return "speaks to other machines"
    return "can end the server" if op in _MACHINE else "reads or writes files"


def _some(places: list[str]) -> str:
    unique = list(dict.fromkeys(places))
    more = f" and {len(unique) - 3} more places" if len(unique) > 3 else ""
    return ", ".join(unique[:3]) + more


def _places(graph: GraphDef) -> Iterator[tuple[str, Iterable[NodeDef]]]:
    yield "the main graph", graph.node
    for function in graph.library.function:
        yield f"the function `{function.signature.name}`", function.node_def


def _reached(graph: GraphDef, signature: SignatureDef) -> set[str]:
    """The operations that an answer of the signature runs."""
    nodes = {node.name: node for node in graph.node}
    functions = {f.signature.name: f.node_def for f in graph.library.function}
    ops: set[str] = set()
    seen: set[str] = set()
    waiting = [nodes[_node_of(t.name)] for t in signature.outputs.values() if t.name]
    while waiting:
        node = waiting.pop()
        ops.add(node.op)
        for name in map(_node_of, node.input):
            if name in nodes and name not in seen:
                seen.add(name)
                waiting.append(nodes[name])
        for function in _called(node):
            if function in functions and f"{function}()" not in seen:
                seen.add(f"{function}()")
                # Whole, since control edges of a function need not lead to its result.
                waiting.extend(functions[function])
    return ops


def _node_of(tensor: str) -> str:
    """`^name` and `name:0` are of the node `name`."""
    return tensor.removeprefix("^").split(":")[0]


def _called(node: NodeDef) -> Iterator[str]:
    yield node.op
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name
