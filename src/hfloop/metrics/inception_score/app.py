"""A page that computes the inception score of uploaded class probabilities."""

from __future__ import annotations

import zipfile
from pathlib import Path

import evaluate
import gradio as gr
import numpy as np
import numpy.typing as npt
from evaluate.utils.gradio import parse_readme

HERE = Path(__file__).parent


def compute(file: str | None, seed: int, n_splits: int) -> dict[str, float]:
    """The scores of the uploaded files; what is wrong with them is shown to the visitor."""
    probabilities = array_in(file)
    metric = evaluate.load(str(HERE / "inception_score.py"), keep_in_memory=True)  # its own for each visitor
    try:
        return metric.compute(predictions=probabilities, seed=seed, n_splits=n_splits)
    except ValueError as error:
        raise gr.Error(str(error)) from None


def array_in(path: str | None) -> npt.NDArray[np.float64]:
    """The matrix in a .npy file, or the only one in an .npz file."""
    if path is None:
        raise gr.Error("a file of class probabilities is needed")
    try:
        content = np.load(path)
        contents = [content] if isinstance(content, np.ndarray) else list(content.values())
        arrays = [array.astype(np.float64) for array in contents]
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise gr.Error(f"{Path(path).name} holds no NumPy arrays of numbers") from None
    if len(arrays) != 1 or arrays[0].ndim != 2:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise gr.Error(f"{Path(path).name} must hold one array of shape (images, classes), not {shapes}")
    return arrays[0]


def page() -> gr.Blocks:
    """Files and settings in, scores out, and the metric's card below."""
    with gr.Blocks(title="Inception score") as blocks:
        gr.Markdown("# Inception score")
        gr.Markdown("The file holds one array of shape (images, classes); each row sums to 1.")
        with gr.Row():
            file = gr.File(label="Class probabilities (.npy or .npz)", file_types=[".npy", ".npz"])
            seed = gr.Number(0, label="Seed", precision=0, minimum=0)
            n_splits = gr.Number(10, label="Splits", precision=0, minimum=2)
        button = gr.Button("Compute", variant="primary")
        scores = gr.JSON(label="Scores")
        button.click(compute, [file, seed, n_splits], scores, api_name="compute")
        gr.Markdown(parse_readme(str(HERE / "README.md")))
    return blocks


if __name__ == "__main__":
    page().launch()
