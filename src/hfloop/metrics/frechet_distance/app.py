"""A page that computes the Fréchet distance of uploaded files of features."""

from __future__ import annotations

import zipfile
from pathlib import Path

import evaluate
import gradio as gr
import numpy as np
import numpy.typing as npt
from evaluate.utils.gradio import parse_readme

HERE = Path(__file__).parent


def compute(real_file: str | None, fake_file: str | None) -> dict[str, float]:
    """The scores of the uploaded files; what is wrong with them is shown to the visitor."""
    real, fake = array_in(real_file), array_in(fake_file)
    metric = evaluate.load(str(HERE / "frechet_distance.py"), keep_in_memory=True)  # its own for each visitor
    try:
        return metric.compute(predictions=fake, real_features=real)
    except ValueError as error:
        raise gr.Error(str(error)) from None


def array_in(path: str | None) -> npt.NDArray[np.float64]:
    """The matrix in a .npy file, or the only one in an .npz file."""
    if path is None:
        raise gr.Error("two files are needed: features of real and of generated images")
    try:
        content = np.load(path)
        contents = [content] if isinstance(content, np.ndarray) else list(content.values())
        arrays = [array.astype(np.float64) for array in contents]
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise gr.Error(f"{Path(path).name} holds no NumPy arrays of numbers") from None
    if len(arrays) != 1 or arrays[0].ndim != 2:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise gr.Error(f"{Path(path).name} must hold one array of shape (images, dimension), not {shapes}")
    return arrays[0]


def page() -> gr.Blocks:
    """Files and settings in, scores out, and the metric's card below."""
    with gr.Blocks(title="Fréchet distance") as blocks:
        gr.Markdown("# Fréchet distance")
        gr.Markdown("Each file holds one array of shape (images, dimension); the two counts need not be equal.")
        with gr.Row():
            real = gr.File(label="Features of real images (.npy or .npz)", file_types=[".npy", ".npz"])
            fake = gr.File(label="Features of generated images (.npy or .npz)", file_types=[".npy", ".npz"])
        button = gr.Button("Compute", variant="primary")
        scores = gr.JSON(label="Scores")
        button.click(compute, [real, fake], scores, api_name="compute")
        gr.Markdown(parse_readme(str(HERE / "README.md")))
    return blocks


if __name__ == "__main__":
    page().launch()
