"""How good generated images are: Fréchet and kernel distance, precision and recall, inception score.

Each metric is a folder that holds its mathematics (NumPy and SciPy only) and an `evaluate` module around it: it can be
loaded by `evaluate.load`, and pushed to the Hub as it is. The rooms beside these folders turn images into features.
"""
