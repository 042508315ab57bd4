"""The generator as ONNX, for programs without PyTorch (a browser, a phone). Needs the extra `onnx`.

We export the network in eval mode: BatchNorm uses its statistics from training, so an image does not depend on the
others of its batch. The batch may have any size.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganns.errors import ExportError
from ganns.utils.installation import extra


def require_onnx() -> None:
    """Raise MissingExtra if the packages are not installed, before the export writes files."""
    with extra("onnx", "ONNX"):
        import onnx
        import onnxscript  # noqa: F401

        assert onnx


def write_onnx(generator: nn.Module, latent_dim: int, path: Path, num_labels: int = 0) -> None:
    """Write `generator` as one file: input `latent` [N, latent_dim], output `images` [N, 3, S, S] in [-1, 1].

    A conditional generator has a second input, `labels` [N, num_labels].

    Raises:
        MissingExtra: without the extra `onnx`.
        ExportError: if PyTorch's exporter, or ONNX's own check of the result, fails.
    """
    require_onnx()
    import onnx

    # A batch of 2: the exporter takes a size of 1 for a constant.
    examples = {"latent": torch.zeros(2, latent_dim)}
    if num_labels:
        examples["labels"] = torch.zeros(2, num_labels)
    num = torch.export.Dim("num")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own warnings; we check the result below
            program = torch.onnx.export(
                generator.eval(),
                tuple(examples.values()),
                dynamo=True,
                verbose=False,
                input_names=list(examples),
                output_names=["images"],
                dynamic_shapes=tuple({0: num} for _ in examples),
            )
        assert program is not None
        model = program.model_proto
        _forget_sources(model)
        onnx.checker.check_model(model, full_check=True)
    except (RuntimeError, ValueError, TypeError, onnx.checker.ValidationError) as error:
        raise ExportError(f"The generator could not be written as ONNX: {str(error).splitlines()[0]}") from error
    finally:
        logger.setLevel(level)
    path.write_bytes(model.SerializeToString())


def _forget_sources(model: Any) -> None:
    """Remove source positions of the operations: the exporter notes lines of files, with local paths."""
    graph = model.graph
    for one in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer, graph, model):
        one.ClearField("metadata_props")
        if hasattr(one, "doc_string"):
            one.doc_string = ""
    for function in model.functions:
        for one in (function, *function.node):
            one.ClearField("metadata_props")
